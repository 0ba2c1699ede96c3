//! What people see and do over HTTP, and what they do not.

mod account;
mod document;
mod hostile;
mod matrix;
mod outage;
mod people;
mod reveal;

use super::Story;

pub(crate) fn stories() -> Vec<Story> {
    [
        account::stories(),
        document::stories(),
        hostile::stories(),
        matrix::stories(),
        outage::stories(),
        people::stories(),
        reveal::stories(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
