//! Conversations: keys, roles, templates.
