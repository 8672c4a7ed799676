//! Files of text: what they are, whatever they are called.
