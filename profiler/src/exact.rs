//! Exact counts: how often functions were entered, loops turned, operators executed and functions
//! called, from the counters of basic blocks.

use crate::names::Names;
use crate::printable;
use crate::source::{SourceLine, SourceMap};
use crate::symbols::{operators, unnamed};
use crate::table::quoted;
use crate::text::shortened;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use upshift::{BlockCount, Module};
use wasmparser::Operator;

/// Rows of the text's tables of operators and calls.
const ROWS: usize = 15;

/// What ran, exactly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExactReport {
    /// Functions that were entered, the one with most operators first.
    pub functions: Vec<FunctionCounts>,
    /// Executed operators of all functions, by name.
    pub operators: BTreeMap<&'static str, u64>,
    /// Calls, the most frequent first.
    pub calls: Vec<Calls>,
    /// Names of all functions that call or are called, by index: not yet safe to print.
    pub names: BTreeMap<u32, String>,
}

/// The counts of a function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FunctionCounts {
    /// Index in the module.
    pub index: u32,
    /// Its name: not yet safe to print.
    pub name: String,
    /// How often it was entered.
    pub entries: u64,
    /// Operators that it executed; `block`, `else` and `end` only mark places and are none.
    pub executed: u64,
    /// Its loops.
    pub loops: Vec<LoopTurns>,
    /// Executed operators by name.
    pub operators: BTreeMap<&'static str, u64>,
}

/// The turns of a loop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoopTurns {
    /// Offset of the `loop` operator in the module.
    pub offset: u32,
    /// How often its body began.
    pub turns: u64,
    /// Its line of source, where the module says one.
    pub line: Option<SourceLine>,
}

/// Calls from one function to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Calls {
    /// Index of the caller.
    pub caller: u32,
    /// Index of the callee; `None` for calls through references and tables.
    pub callee: Option<u32>,
    /// How many.
    pub count: u64,
}

impl ExactReport {
    /// What a module has counted so far.
    ///
    /// # Errors
    /// Never in practice: the module was read before.
    pub fn new(module: &Module) -> anyhow::Result<Self> {
        let blocks = module.block_counts();
        let (source, mut names) = (SourceMap::new(module), Names::new(module));
        let mut report = Self::default();
        let mut calls: BTreeMap<(u32, Option<u32>), u64> = BTreeMap::new();
        for blocks in blocks.chunk_by(|a, b| a.func == b.func) {
            let mut function = count_function(module, blocks, &source, &mut calls)?;
            function.name = names.of(function.index);
            for (name, count) in &function.operators {
                *report.operators.entry(name).or_default() += count;
            }
            report.functions.push(function);
        }
        report.functions.sort_by_key(|function| (u64::MAX - function.executed, function.index));
        let indices = calls.keys().flat_map(|&(caller, callee)| [Some(caller), callee]).flatten();
        report.names = indices.map(|index| (index, names.of(index))).collect();
        let made = |((caller, callee), count)| Calls { caller, callee, count };
        report.calls = calls.into_iter().map(made).collect();
        report.calls.sort_by_key(|calls| u64::MAX - calls.count);
        Ok(report)
    }

    /// Replaces the names of functions by their numbers and forgets lines of source, for reports that leave the
    /// house.
    pub fn redact(&mut self) {
        for function in &mut self.functions {
            function.name = unnamed(function.index);
            function.loops.iter_mut().for_each(|of| of.line = None);
        }
        for (&index, name) in &mut self.names {
            *name = unnamed(index);
        }
    }

    fn name(&self, index: u32) -> &str {
        self.names.get(&index).map_or("", String::as_str)
    }

    /// Executed operators of all functions.
    #[must_use]
    pub fn executed(&self) -> u64 {
        self.operators.values().sum()
    }
}

fn count_function(
    module: &Module,
    blocks: &[BlockCount],
    source: &SourceMap<'_>,
    calls: &mut BTreeMap<(u32, Option<u32>), u64>,
) -> anyhow::Result<FunctionCounts> {
    let index = blocks[0].func;
    let mut function =
        FunctionCounts { index, entries: blocks[0].count, ..FunctionCounts::default() };
    let mut blocks = blocks.iter().peekable();
    let mut block = None;
    for operator in operators(module, index)? {
        let (operator, offset) = operator?;
        // The block of an operator is the last that stands behind an earlier one.
        while let Some(next) = blocks.next_if(|next| next.after < offset) {
            block = Some(next);
        }
        if let Operator::Loop { .. } = operator
            && let Some(turns) = blocks.peek().filter(|next| next.after == offset)
        {
            let line = (turns.count > 0).then(|| source.find(offset)).flatten();
            function.loops.push(LoopTurns { offset, turns: turns.count, line });
        }
        let count = block.filter(|block| offset <= block.end).map_or(0, |block| block.count);
        let marks = matches!(operator, Operator::Block { .. } | Operator::Else | Operator::End);
        if count == 0 || marks {
            continue;
        }
        *function.operators.entry(operator_name(&operator)).or_default() += count;
        function.executed += count;
        if let Some(callee) = callee(&operator) {
            *calls.entry((index, callee)).or_default() += count;
        }
    }
    Ok(function)
}

/// Whom an operator calls, when it is a call; `None` inside when only a run can tell.
fn callee(operator: &Operator<'_>) -> Option<Option<u32>> {
    match operator {
        Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
            Some(Some(*function_index))
        }
        Operator::CallIndirect { .. }
        | Operator::ReturnCallIndirect { .. }
        | Operator::CallRef { .. }
        | Operator::ReturnCallRef { .. } => Some(None),
        _ => None,
    }
}

macro_rules! operator_names {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident $ann:tt)*) => {
        /// The name of an operator, as the decoder calls it.
        fn operator_name(operator: &Operator<'_>) -> &'static str {
            match operator {
                $(Operator::$op { .. } => stringify!($visit).trim_start_matches("visit_"),)*
                _ => "unknown",
            }
        }
    };
}
wasmparser::for_each_operator!(operator_names);

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("strings take anything");
}

/// The report for people: functions whose name contains `wanted`, `top` of them, their loops and calls, and
/// the operators of all.
#[must_use]
pub fn text(report: &ExactReport, top: usize, wanted: Option<&str>) -> String {
    let mut out = functions(report, top, wanted);
    loops(&mut out, report, wanted);
    let mut operators: Vec<_> = report.operators.iter().collect();
    operators.sort_by_key(|&(name, &count)| (u64::MAX - count, *name));
    if !operators.is_empty() {
        line(&mut out, "\n           count  operator");
    }
    for (name, count) in operators.into_iter().take(ROWS) {
        line(&mut out, &format!("{count:>16}  {name}"));
    }
    calls(&mut out, report, wanted);
    out
}

/// The loops that turned most.
fn loops(out: &mut String, report: &ExactReport, wanted: Option<&str>) {
    let functions = report.functions.iter().filter(|function| shows(wanted, &function.name));
    let mut loops: Vec<_> = functions
        .flat_map(|function| function.loops.iter().map(move |of| (function, of)))
        .collect();
    loops.retain(|(_, of)| of.turns > 0);
    loops.sort_by_key(|(_, of)| (u64::MAX - of.turns, of.offset));
    if !loops.is_empty() {
        line(out, "\n      loop turns  of");
    }
    for (function, LoopTurns { offset, turns, line: source }) in loops.into_iter().take(ROWS) {
        let source = source.as_ref().map(|line| format!(", {}", printable(&line.short())));
        let (name, source) = (shortened(&function.name), source.unwrap_or_default());
        line(out, &format!("{turns:>16}  {name}: loop at {offset:#x}{source}"));
    }
}

/// The most frequent calls.
fn calls(out: &mut String, report: &ExactReport, wanted: Option<&str>) {
    let name = |index: Option<u32>| {
        index.map_or("(through a table or reference)", |index| report.name(index))
    };
    let ends = |calls: &Calls| [name(Some(calls.caller)), name(calls.callee)];
    let shown =
        report.calls.iter().filter(|calls| ends(calls).iter().any(|name| shows(wanted, name)));
    let shown: Vec<&Calls> = shown.take(ROWS).collect();
    if !shown.is_empty() {
        line(out, "\n           calls  from, to");
    }
    for calls in shown {
        let [caller, callee] = ends(calls).map(shortened);
        line(out, &format!("{:>16}  {caller} -> {callee}", calls.count));
    }
}

/// Whether a function of this name is shown.
fn shows(wanted: Option<&str>, name: &str) -> bool {
    wanted.is_none_or(|part| name.contains(part))
}

/// The first table of the report.
#[must_use]
pub fn functions(report: &ExactReport, top: usize, wanted: Option<&str>) -> String {
    let mut out = String::new();
    let executed = report.executed();
    line(&mut out, &format!("Exact counts, baseline code: {executed} operators executed"));
    line(&mut out, "\n         entries        operators       loop turns  function");
    let shown = report.functions.iter().filter(|function| shows(wanted, &function.name));
    for function in shown.take(top) {
        let turns: u64 = function.loops.iter().map(|of| of.turns).sum();
        let (entries, executed) = (function.entries, function.executed);
        let name = shortened(&function.name);
        line(&mut out, &format!("{entries:>16} {executed:>16} {turns:>16}  {name}"));
    }
    out
}

/// All counts as CSV: what is counted, of which function, and of what in it: nothing for entries,
/// the offset of a loop, the name of an operator, the index of a callee.
#[must_use]
pub fn csv(report: &ExactReport) -> String {
    let mut out = String::from("kind,index,function,of,count\r\n");
    let mut row = |kind: &str, index: u32, name: &str, of: &str, count: u64| {
        write!(out, "{kind},{index},{},{of},{count}\r\n", quoted(&printable(name)))
            .expect("strings take anything");
    };
    for function in &report.functions {
        let (index, name) = (function.index, &function.name);
        row("entry", index, name, "", function.entries);
        for LoopTurns { offset, turns, .. } in &function.loops {
            row("loop", index, name, &offset.to_string(), *turns);
        }
        for (operator, count) in &function.operators {
            row("operator", index, name, operator, *count);
        }
    }
    for Calls { caller, callee, count } in &report.calls {
        let callee = callee.map_or(String::new(), |callee| callee.to_string());
        row("call", *caller, report.name(*caller), &callee, *count);
    }
    out
}
