//! Does Envoy take a regular expression? It uses RE2, and refuses the routes of
//! everyone for one that RE2 cannot read.

use regex_syntax::Parser;
use regex_syntax::ast::{
    self, AssertionKind, Ast, ClassSetBinaryOp, ClassSetItem, ClassUnicodeKind, Flag, Flags,
    FlagsItemKind, GroupKind, HexLiteralKind, LiteralKind, RepetitionKind, RepetitionRange,
    Visitor,
};

/// The largest number of repetitions in RE2, also of one within another.
const MOST: u32 = 1000;

/// Whether an expression is one in Rust's syntax and in RE2's. Some that only RE2
/// knows are refused as well: better one route than all.
pub(super) fn is_taken(expression: &str) -> bool {
    let Ok(tree) = ast::parse::Parser::new().parse(expression) else {
        return false;
    };
    let in_both = InBoth { times: vec![1] };
    Parser::new().parse(expression).is_ok() && ast::visit(&tree, in_both).is_ok()
}

/// Finds what RE2 lacks.
struct InBoth {
    /// How often what is looked at may be repeated, by all around it.
    times: Vec<u32>,
}

/// Something that RE2 lacks.
struct Lacking;

fn only_if(is_known: bool) -> Result<(), Lacking> {
    if is_known { Ok(()) } else { Err(Lacking) }
}

impl Visitor for InBoth {
    type Output = ();
    type Err = Lacking;

    fn finish(self) -> Result<(), Lacking> {
        Ok(())
    }

    fn visit_pre(&mut self, tree: &Ast) -> Result<(), Lacking> {
        match tree {
            Ast::Flags(it) => only_if(are_known(&it.flags)),
            Ast::Group(it) => match &it.kind {
                GroupKind::NonCapturing(flags) => only_if(are_known(flags)),
                GroupKind::CaptureName { name, .. } => only_if(is_name(&name.name)),
                GroupKind::CaptureIndex(_) => Ok(()),
            },
            Ast::Literal(it) => only_if(is_known(&it.kind)),
            Ast::Repetition(it) => {
                let most = match &it.op.kind {
                    RepetitionKind::Range(range) => most(range).max(1),
                    _ => 1,
                };
                let around = self.times.last().copied().unwrap_or(1);
                let times = around.saturating_mul(most);
                self.times.push(times);
                let is_of_another = matches!(*it.ast, Ast::Repetition(_));
                only_if(times <= MOST && !is_of_another)
            }
            Ast::Assertion(it) => only_if(matches!(
                it.kind,
                AssertionKind::StartLine
                    | AssertionKind::EndLine
                    | AssertionKind::StartText
                    | AssertionKind::EndText
                    | AssertionKind::WordBoundary
                    | AssertionKind::NotWordBoundary
            )),
            Ast::ClassUnicode(it) => only_if(self.has_room_for(&it.kind)),
            _ => Ok(()),
        }
    }

    fn visit_post(&mut self, tree: &Ast) -> Result<(), Lacking> {
        if matches!(tree, Ast::Repetition(_)) {
            self.times.pop();
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), Lacking> {
        match item {
            ClassSetItem::Literal(it) => only_if(is_known(&it.kind)),
            ClassSetItem::Range(it) => only_if(is_known(&it.start.kind) && is_known(&it.end.kind)),
            ClassSetItem::Unicode(it) => only_if(self.has_room_for(&it.kind)),
            ClassSetItem::Bracketed(_) => Err(Lacking),
            _ => Ok(()),
        }
    }

    fn visit_class_set_binary_op_pre(&mut self, _: &ClassSetBinaryOp) -> Result<(), Lacking> {
        Err(Lacking)
    }
}

fn most(range: &RepetitionRange) -> u32 {
    match range {
        RepetitionRange::Exactly(times)
        | RepetitionRange::AtLeast(times)
        | RepetitionRange::Bounded(_, times) => *times,
    }
}

fn are_known(flags: &Flags) -> bool {
    flags.items.iter().all(|it| match it.kind {
        FlagsItemKind::Negation => true,
        FlagsItemKind::Flag(flag) => {
            !matches!(flag, Flag::Unicode | Flag::CRLF | Flag::IgnoreWhitespace)
        }
    })
}

fn is_known(literal: &LiteralKind) -> bool {
    match literal {
        LiteralKind::HexFixed(kind) | LiteralKind::HexBrace(kind) => *kind == HexLiteralKind::X,
        _ => true,
    }
}

/// What may be the name of a group.
fn is_name(name: &str) -> bool {
    name.chars()
        .all(|it| it.is_ascii_alphanumeric() || it == '_')
}

impl InBoth {
    /// A general category by its short name, and not too often: each is hundreds of
    /// ranges. Of longer names the two know different ones.
    fn has_room_for(&self, class: &ClassUnicodeKind) -> bool {
        const CATEGORIES: [&str; 29] = [
            "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps",
            "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs",
            "Co",
        ];
        let is_known = match class {
            ClassUnicodeKind::OneLetter(letter) => "LMNPSZC".contains(*letter),
            ClassUnicodeKind::Named(name) => CATEGORIES.contains(&name.as_str()),
            ClassUnicodeKind::NamedValue { .. } => false,
        };
        is_known && self.times.last().is_none_or(|times| *times <= 10)
    }
}

#[cfg(test)]
mod tests {
    use super::is_taken;

    #[test]
    fn what_both_know_is_taken() {
        for expression in [
            "",
            "/toys/[0-9]+",
            "/(?i)toys|games/\\d{1,1000}\\x41\\x{263a}[[:alpha:]\\pL\\p{Lu}]",
            "^/(?P<name>[^/]+)/\\bpart\\b$",
        ] {
            assert!(is_taken(expression), "{expression}");
        }
    }

    #[test]
    fn what_re2_lacks_is_refused() {
        for expression in [
            "(",
            "(?=ahead)",
            "a{1001}",
            "(a{100}){100}",
            "a++",
            "a{2}{3}",
            "\\pL{1000}",
            "\\pl",
            "\\p{lu}",
            "\\p{DI}",
            "(?P<a.b>x)",
            "\\u0061",
            "[\\U00000061]",
            "(?x) a",
            "(?u:a)",
            "[a-z&&[^b]]",
            "[a[b]]",
            "\\b{start}a",
            "\\p{Lowercase_Letter}",
            "\\p{sc=Greek}",
        ] {
            assert!(!is_taken(expression), "{expression}");
        }
    }
}
