//! User stories against the local stack; see `tests/journeys`.
