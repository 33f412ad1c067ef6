//! Exceptions: how many were thrown and caught, and in which functions.

use crate::symbols::{function_name, unnamed};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use upshift::{ExceptionStats, Module};

/// See the module head. A throw that the compilers made a branch is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Exceptions {
    /// How many were thrown.
    pub thrown: u64,
    /// How many were caught; the others left the program's code for the host.
    pub caught: u64,
    /// About what it took to find handlers, in milliseconds; none when it was not measured.
    pub searching_ms: Option<f64>,
    /// Functions that threw or caught, those that threw most first.
    pub functions: Vec<FunctionExceptions>,
}

/// The exceptions of a function.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FunctionExceptions {
    /// Index in the module; none for functions of other modules.
    pub index: Option<u32>,
    /// Its name: not yet safe to print.
    pub name: String,
    /// Exceptions that it threw, or a function of the host that it called.
    pub thrown: u64,
    /// Exceptions that it caught.
    pub caught: u64,
}

impl Exceptions {
    /// What a store has counted; none when nothing was thrown.
    #[must_use]
    pub fn new(stats: &ExceptionStats, module: &Module) -> Option<Self> {
        let mut functions: BTreeMap<Option<u32>, FunctionExceptions> = BTreeMap::new();
        for site in &stats.sites {
            let location = module.code_frames(site.address).into_iter().next();
            let index = location.map(|location| location.func);
            let function = functions.entry(index).or_insert_with(|| FunctionExceptions {
                index,
                name: name(module, index),
                ..FunctionExceptions::default()
            });
            function.thrown += site.thrown;
            function.caught += site.caught;
        }
        let mut functions: Vec<_> = functions.into_values().collect();
        functions.sort_by_key(|of| (u64::MAX - of.thrown, u64::MAX - of.caught, of.index));
        (stats.thrown > 0).then(|| Self {
            thrown: stats.thrown,
            caught: stats.caught,
            searching_ms: stats.searching.map(|time| time.as_secs_f64() * 1e3),
            functions,
        })
    }

    /// Replaces the names of functions by their numbers, for reports that leave the house.
    pub fn redact(&mut self) {
        for function in &mut self.functions {
            if let Some(index) = function.index {
                function.name = unnamed(index);
            }
        }
    }

    /// The functions as CSV with a head line.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut out = String::from("function,index,thrown,caught\r\n");
        for of in &self.functions {
            let name = crate::table::quoted(&crate::printable(&of.name));
            let index = of.index.map_or_else(String::new, |index| index.to_string());
            out.push_str(&format!("{name},{index},{},{}\r\n", of.thrown, of.caught));
        }
        out
    }
}

fn name(module: &Module, index: Option<u32>) -> String {
    index.map_or_else(|| "other modules".to_owned(), |index| function_name(module, index))
}
