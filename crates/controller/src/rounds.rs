//! Does writing lead anywhere? Each answer leads to the next decision, until one has
//! nothing to write. Where something else undoes what is written, that never comes.
//! However often, taking access away waits for nothing but its own last answer.

use std::collections::HashMap;

use devportal_core::{Id, Write};

use crate::queue::{Lane, Turn};

/// After so many rounds an id waits behind the others: more than any key takes to be
/// issued.
const IN_FRONT: u32 = 12;
/// After so many rounds an id waits, ever longer, before each further [`IN_FRONT`]:
/// more than it takes to make all the Secrets of a key anew.
const IN_A_ROW: u32 = 200;

/// The rounds of each id since it last had nothing to write. Those that only took
/// access away do not count: whoever makes credentials go again and again must not
/// put off the time when all of them do.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    of: HashMap<Id, Past>,
}

#[derive(Debug)]
struct Past {
    count: u32,
    /// What was written last, successfully.
    last: Vec<Write>,
}

impl Rounds {
    /// Notes what was written for an id.
    pub(crate) fn note(&mut self, id: &Id, writes: Vec<Write>) {
        let past = self.of.entry(id.clone()).or_insert(Past {
            count: 0,
            last: Vec::new(),
        });
        if !writes.iter().all(Write::revokes) {
            past.count = past.count.saturating_add(1);
        }
        past.last = writes;
    }

    /// Whether these writes are better not tried at once: they are those that were
    /// just made, or there is no end of them. The next time they are tried.
    pub(crate) fn lead_nowhere(&mut self, id: &Id, writes: &[Write]) -> bool {
        let Some(past) = self.of.get_mut(id) else {
            return false;
        };
        let is_the_same = std::mem::take(&mut past.last) == writes;
        let is_endless = past.count >= IN_A_ROW && Lane::of(writes) != Lane::Revoke;
        if is_endless {
            past.count = IN_A_ROW - IN_FRONT;
        }
        is_the_same || is_endless
    }

    /// Where an id waits for its next round.
    pub(crate) fn turn(&self, id: &Id) -> Turn {
        match self.of.get(id) {
            Some(past) if past.count > IN_FRONT => Turn::Last,
            _ => Turn::Next,
        }
    }

    /// An id has nothing left to write.
    pub(crate) fn settled(&mut self, id: &Id) {
        self.of.remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use devportal_api::id::{KeyId, SecretId};

    fn id() -> Id {
        Id::Key(KeyId::new("ns", "key"))
    }

    fn delete(uid: u32) -> Vec<Write> {
        vec![Write::DeleteCopy {
            id: SecretId::new("ns", "copy"),
            uid: uid.to_string(),
        }]
    }

    fn revoke(uid: u32) -> Vec<Write> {
        vec![Write::DeleteCredential {
            id: SecretId::new("kuadrant", "credential"),
            uid: uid.to_string(),
        }]
    }

    #[test]
    fn what_was_just_written_is_not_written_again_at_once() {
        let mut rounds = Rounds::default();
        assert!(!rounds.lead_nowhere(&id(), &delete(1)));
        rounds.note(&id(), delete(1));
        assert!(!rounds.lead_nowhere(&id(), &delete(2)));
        rounds.note(&id(), delete(2));
        assert!(rounds.lead_nowhere(&id(), &delete(2)));
        assert!(!rounds.lead_nowhere(&id(), &delete(2)), "later it is");
    }

    #[test]
    fn writes_without_end_are_slowed_down_until_there_are_none() {
        let mut rounds = Rounds::default();
        let mut made = 0;
        while !rounds.lead_nowhere(&id(), &delete(made)) {
            rounds.note(&id(), delete(made));
            made += 1;
        }
        assert_eq!(made, IN_A_ROW);
        // Enough to be done with it, were they to lead somewhere now.
        for _ in 0..3 {
            let before = made;
            while !rounds.lead_nowhere(&id(), &delete(made)) {
                rounds.note(&id(), delete(made));
                made += 1;
            }
            assert_eq!(made - before, IN_FRONT);
        }
        rounds.settled(&id());
        assert!(!rounds.lead_nowhere(&id(), &delete(0)));
    }

    #[test]
    fn access_is_taken_away_at_once_however_long_something_else_was_altered() {
        let mut rounds = Rounds::default();
        for round in 0..=IN_A_ROW {
            rounds.note(&id(), delete(round));
        }
        assert!(!rounds.lead_nowhere(&id(), &revoke(0)));
        assert!(rounds.lead_nowhere(&id(), &delete(IN_A_ROW + 1)));
    }

    #[test]
    fn credentials_that_go_again_and_again_do_not_put_off_the_end_of_all() {
        let mut rounds = Rounds::default();
        for round in 0..=IN_A_ROW {
            rounds.note(&id(), revoke(round));
        }
        assert!(!rounds.lead_nowhere(&id(), &revoke(IN_A_ROW + 1)));
        assert!(!rounds.lead_nowhere(&id(), &delete(0)), "nor anything else");
    }

    #[test]
    fn what_was_begun_goes_first_unless_it_takes_too_long() {
        let mut rounds = Rounds::default();
        for round in 0..IN_FRONT {
            rounds.note(&id(), delete(round));
        }
        assert_eq!(rounds.turn(&id()), Turn::Next);
        rounds.note(&id(), delete(IN_FRONT));
        assert_eq!(rounds.turn(&id()), Turn::Last);
    }
}
