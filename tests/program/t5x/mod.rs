//! Checkpoints of T5X through the program: what is routed, converted and refused.

mod convert;
mod damage;
mod route;
