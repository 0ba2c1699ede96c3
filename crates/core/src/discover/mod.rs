//! Which policies apply to a route, and what do they mean for a consumer?
