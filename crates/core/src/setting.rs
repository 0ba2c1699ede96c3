//! What may an operator choose about decisions?

/// Choices about how is decided; they never change while the World lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Settings {
    /// Whether a patched `status.phase` of a key is a decision, as in the first
    /// generation of the API. Whoever may patch the status of keys then decides
    /// about them, and writes any reviewer they like.
    pub phase_decides: bool,
    /// Whether nobody approves their own request, but who is let by the admission
    /// policies.
    pub refuses_own: bool,
    /// Whether brought values that others can guess give no access; told they are in any
    /// case.
    pub refuses_weak: bool,
    /// Whether products that are drafts approve nothing by themselves.
    pub refuses_drafts: bool,
}
