//! Rows of text: keys, categories, what stands beside the text.
