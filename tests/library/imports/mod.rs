//! Records of other engines, imported.

mod carriers;
mod counts;
mod drift;
mod drops;
mod engines;
mod esft;
mod flame;
mod good_files;
mod olmoe;
mod rows;
