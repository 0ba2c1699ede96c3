//! Which bugs are planted? A row tells what to find in which file, and what to put in
//! its place.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// Where the table is kept.
pub(super) const PATH: &str = "crates/core/tests/planted.toml";

/// The rows, numbered from 1 on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    #[serde(rename = "bug")]
    bugs: Vec<Bug>,
}

/// One bug.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bug {
    /// What it does, as a sentence.
    pub(super) name: String,
    /// The file, from the root of the repository.
    pub(super) file: String,
    /// What occurs there exactly once.
    find: String,
    /// What takes its place.
    replace: String,
    /// Whether it is found soon: the full `ci` runs such rows only.
    #[serde(default)]
    pub(super) quick: bool,
}

/// A row with its number.
pub(super) type Row<'a> = (usize, &'a Bug);

impl Table {
    /// The table of a repository.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(root.join(PATH)).with_context(|| format!("reading {PATH}"))?;
        Self::parse(&text).with_context(|| format!("in {PATH}"))
    }

    fn parse(text: &str) -> Result<Self> {
        let table: Self = toml::from_str(text)?;
        let mut names = BTreeSet::new();
        for bug in &table.bugs {
            ensure!(
                !bug.find.is_empty(),
                "the row \"{}\" finds nothing",
                bug.name
            );
            ensure!(
                bug.find != bug.replace,
                "the row \"{}\" changes nothing",
                bug.name
            );
            ensure!(
                names.insert(&bug.name),
                "two rows are named \"{}\"",
                bug.name
            );
        }
        Ok(table)
    }

    fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.bugs.iter().enumerate().map(|(at, bug)| (at + 1, bug))
    }

    /// Those that are marked as quick.
    pub(super) fn quick(&self) -> Vec<Row<'_>> {
        self.rows().filter(|(_, bug)| bug.quick).collect()
    }

    /// Those that any of the words means, in the order of the table; all of them where
    /// there is no word.
    pub(super) fn choose(&self, words: &[String]) -> Result<Vec<Row<'_>>> {
        let is_meant = |(number, bug): Row<'_>, word: &str| match word.parse::<usize>() {
            Ok(wanted) => wanted == number,
            Err(_) => bug.name.to_lowercase().contains(&word.to_lowercase()),
        };
        for word in words {
            if !self.rows().any(|row| is_meant(row, word)) {
                bail!("no row is \"{word}\"; `cargo xtask planted --list` shows them");
            }
        }
        let is_chosen = |row| words.is_empty() || words.iter().any(|word| is_meant(row, word));
        Ok(self.rows().filter(|row| is_chosen(*row)).collect())
    }
}

impl Bug {
    /// The file's text with the bug in it.
    ///
    /// # Errors
    ///
    /// When it cannot be told where the bug belongs: the row is stale.
    pub(super) fn plant(&self, text: &str) -> Result<String> {
        let times = text.matches(&self.find).count();
        ensure!(
            times == 1,
            "the row \"{}\" is stale: its text occurs {} in {}",
            self.name,
            match times {
                0 => "nowhere".to_owned(),
                more => format!("{more} times"),
            },
            self.file
        );
        Ok(text.replacen(&self.find, &self.replace, 1))
    }
}

/// The file that a bug is to be planted in, as it is.
pub(super) fn source(root: &Path, bug: &Bug) -> Result<String> {
    let path = root.join(&bug.file);
    fs::read_to_string(path)
        .with_context(|| format!("the row \"{}\" is stale: reading {}", bug.name, bug.file))
}

/// Tells every row that is stale.
pub(super) fn check(root: &Path, rows: &[Row<'_>]) -> Result<()> {
    let mut stale = String::new();
    for (number, bug) in rows {
        let planted = source(root, bug).and_then(|text| bug.plant(&text));
        if let Err(error) = planted {
            write!(stale, "\n  {number}: {error:#}")?;
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    bail!("bugs cannot be planted; bring {PATH} up to date with the code:{stale}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use devportal_stack::repository;

    const TWO: &str = r#"
        [[bug]]
        name = "a denial is not heard"
        file = "a.rs"
        find = "is_denied"
        replace = "false"
        quick = true

        [[bug]]
        name = "an approval is not heard"
        file = "b.rs"
        find = '''
is_approved
'''
        replace = ""
    "#;

    fn plant(text: &str) -> Result<String, String> {
        let table = Table::parse(TWO).unwrap();
        table.bugs[0].plant(text).map_err(|error| error.to_string())
    }

    fn numbers(rows: &[Row<'_>]) -> Vec<usize> {
        rows.iter().map(|(number, _)| *number).collect()
    }

    #[test]
    fn a_bug_takes_the_place_of_the_text_it_finds() {
        assert_eq!(plant("if is_denied {"), Ok("if false {".to_owned()));
    }

    #[test]
    fn a_row_whose_text_is_gone_is_stale() {
        let told = "the row \"a denial is not heard\" is stale: its text occurs nowhere in a.rs";
        assert_eq!(plant("if denied {"), Err(told.to_owned()));
    }

    #[test]
    fn a_row_whose_text_is_found_twice_is_stale() {
        let told = "the row \"a denial is not heard\" is stale: its text occurs 2 times in a.rs";
        assert_eq!(plant("is_denied || !is_denied"), Err(told.to_owned()));
    }

    #[test]
    fn stale_rows_are_told_all_at_once_and_by_number() {
        let table = Table::parse(TWO).unwrap();
        let rows = table.choose(&[]).unwrap();
        let told = check(Path::new("/nowhere"), &rows).unwrap_err().to_string();
        assert!(told.contains("\n  1: the row \"a denial is not heard\" is stale"));
        assert!(told.contains("\n  2: the row \"an approval is not heard\" is stale"));
    }

    #[test]
    fn rows_are_chosen_by_number_or_by_a_part_of_the_name() {
        let table = Table::parse(TWO).unwrap();
        let choose = |words: &[&str]| {
            let words: Vec<_> = words.iter().map(|it| (*it).to_owned()).collect();
            table.choose(&words).map(|rows| numbers(&rows))
        };
        assert_eq!(choose(&[]).unwrap(), [1, 2]);
        assert_eq!(choose(&["2"]).unwrap(), [2]);
        assert_eq!(choose(&["Denial"]).unwrap(), [1]);
        assert_eq!(choose(&["not heard", "1"]).unwrap(), [1, 2]);
        assert!(choose(&["3"]).is_err());
        assert!(choose(&["1", "expiry"]).is_err());
        assert_eq!(numbers(&table.quick()), [1]);
    }

    #[test]
    fn a_row_that_says_nothing_of_use_is_refused() {
        for (from, to) in [
            ("find = \"is_denied\"", "find = \"\""),
            ("replace = \"false\"", "replace = \"is_denied\""),
            ("an approval is", "a denial is"),
            ("quick = true", "quack = true"),
            ("file = \"a.rs\"", ""),
        ] {
            assert!(TWO.contains(from));
            assert!(Table::parse(&TWO.replacen(from, to, 1)).is_err(), "{to}");
        }
    }

    #[test]
    fn the_table_of_this_repository_fits_its_code() {
        let table = Table::read(repository()).unwrap();
        check(repository(), &table.choose(&[]).unwrap()).unwrap();
        assert_eq!(table.quick().len(), 3, "more make the full ci slow");
    }
}
