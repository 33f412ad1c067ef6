//! What Upshift's machine code relies on: the contract between the compilers and the engine.
//!
//! | module | who writes | who reads |
//! |---|---|---|
//! | [`types`], [`module`], [`mod@decode`], [`scan`] | the decoder | compilers, engine |
//! | [`layout`], [`conv`], [`builtin`] | the engine | machine code |
//! | [`code`] | a compiler | the engine |
//! | [`config`] | the engine | compilers |
//! | [`profile`] | machine code | the optimizing compiler |
//!
//! The crate depends on no other crate of the workspace and knows neither compiler.

#![forbid(unsafe_code)]
#![expect(clippy::cast_possible_truncation, reason = "layout arithmetic on asserted small sizes")]

pub mod builtin;
pub mod code;
pub mod config;
pub mod conv;
pub mod decode;
pub mod eval;
pub mod hotness;
pub mod index;
pub mod layout;
pub mod methods;
pub mod module;
pub mod names;
pub mod ops;
pub mod profile;
pub mod scan;
pub mod trap;
pub mod types;
