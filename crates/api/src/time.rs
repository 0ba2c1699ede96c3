//! How is a moment read that we could not write back?
//!
//! Times on the wire are whole seconds, as `metav1.Time` writes them. A client
//! may send a fraction, which the API server keeps: it is cut off when read, or
//! what we write would never equal what we read.
//!
//! Kubernetes accepts every year up to 9999, and `9999-12-31T23:59:59Z` is what
//! many write for "never"; [`jiff::Timestamp`] ends a day earlier. One object
//! that cannot be parsed would stop the watch of its whole kind, so such a
//! moment is read as the nearest one there is.

use jiff::Timestamp;
use jiff::civil::DateTime;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Deserializer, de::Error};

use crate::condition::whole_second;

/// For required fields.
pub fn nearest<'de, D: Deserializer<'de>>(from: D) -> Result<Time, D::Error> {
    parse(&String::deserialize(from)?).map_err(D::Error::custom)
}

/// For optional fields.
pub fn find_nearest<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Time>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    text.map(|text| parse(&text).map_err(D::Error::custom))
        .transpose()
}

fn parse(text: &str) -> Result<Time, jiff::Error> {
    // Below year 0 a moment could not be written back in four digits.
    let earliest = Timestamp::from_second(-62_167_219_200)?;
    match text.parse::<Timestamp>() {
        Ok(at) => Ok(Time(whole_second(at.max(earliest)))),
        Err(error) => match text.get(..19).map(str::parse::<DateTime>) {
            Some(Ok(local)) if local.year() == 9999 => Ok(Time(whole_second(Timestamp::MAX))),
            _ => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_time_is_read_as_the_latest_moment_there_is() {
        for text in [
            "9999-12-31T23:59:59Z",
            "9999-12-31T23:59:59.5-23:59",
            "9999-12-31t23:59:59z",
        ] {
            let read = parse(text).unwrap();
            assert_eq!(read.0.to_string(), "9999-12-30T22:00:00Z", "{text}");
        }
    }

    #[test]
    fn the_beginning_of_time_can_be_written_back() {
        assert_eq!(
            parse("0000-01-01T00:00:00+23:59").unwrap().0.to_string(),
            "0000-01-01T00:00:00Z"
        );
    }

    #[test]
    fn an_ordinary_moment_is_read_as_it_stands() {
        let at = parse("2030-01-01T01:00:00+01:00").unwrap();
        assert_eq!(at.0.to_string(), "2030-01-01T00:00:00Z");
    }

    #[test]
    fn what_is_read_is_what_would_be_written() {
        for text in [
            "2030-01-01T00:00:00.123Z",
            "2030-01-01T00:00:00.999999999+01:00",
            "0000-01-01T00:00:00.5Z",
            "9999-12-31T23:59:59.999Z",
        ] {
            let read = parse(text).unwrap();
            let written = serde_json::to_value(&read).unwrap();
            assert_eq!(parse(written.as_str().unwrap()).unwrap(), read, "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "tomorrow",
            "9999",
            "9999-99-99T00:00:00Z",
            "2030-01-01T00:00:00",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
