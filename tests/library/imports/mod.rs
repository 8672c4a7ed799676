//! Records of other engines, imported.

mod carriers;
mod counts;
mod drops;
mod esft;
mod flame;
mod olmoe;
