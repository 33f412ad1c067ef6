//! `upshift explore`: a function's operators, intermediate code and machine code of each tier on one
//! page, with what was sampled where.
//!
//! The program runs as `upshift run` does while it is sampled, so the page shows the code that ran.
//! A tier that did not run the function compiles it for the page alone.

mod page;

use crate::disasm::disassemble;
use crate::dump::{Operators, select};
use crate::errors::UsageError;
use crate::output::say;
use crate::run::{self, Observer};
use crate::stop::Stop;
use crate::tier_log::Events;
use crate::wasi_setup::Host;
use anyhow::{Context, Error, Result, bail};
use page::{Column, Line, Page};
use rustix::fs::Access;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use upshift::{CodeDump, Config, Engine, Module, Store, Tier};
use upshift_profiler::profiler::Attached;
use upshift_profiler::sampler::Source;
use upshift_profiler::{Profiler, Recording, sampler, symbols};

/// Options of `upshift explore`.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "upshift explore [OPTIONS] FILE FUNCTION [ARGS]...",
    after_help = "FUNCTION is a name or an index; what follows are the program's arguments."
)]
pub(crate) struct Args {
    /// Where the page goes.
    #[arg(long, value_name = "FILE", default_value = "explore.html")]
    out: PathBuf,
    /// Do not run the program: no samples, and no code that is entered at loops.
    #[arg(long)]
    no_run: bool,
    /// Samples per second.
    #[arg(long, value_name = "HZ", default_value_t = sampler::DEFAULT_RATE,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(sampler::MAX_RATE)))]
    rate: u32,
    #[command(flatten)]
    run: run::Args,
}

/// Runs the program and writes the page; the exit code is the program's.
pub(crate) fn execute(mut args: Args) -> Result<i32> {
    let Some(function) = args.run.take_program_arg() else {
        return Err(UsageError("which function? explore FILE FUNCTION".to_owned()).into());
    };
    let function = function.to_string_lossy().into_owned();
    let mut config = args.run.config();
    config.operator_offsets(true);
    let mut explorer = Explorer {
        function,
        config,
        out: args.out.clone(),
        stop: Stop::default(),
        profiler: Profiler::with(Source::Auto, args.rate),
        sampled: None,
        recordings: Vec::new(),
    };
    // Before the program runs: the function may not exist, nor the page's folder.
    let engine = Engine::new(&explorer.config)?;
    let module = Module::from_file(&engine, args.run.module())?;
    select(&module, &explorer.function)?;
    check_writable(&explorer.out)?;
    if args.no_run {
        return explorer.write(&module).map(|()| 0);
    }
    drop((module, engine));
    let result = run::execute_observed(&args.run, &mut explorer);
    explorer.stop.exit_code(result)
}

/// Most spaces before an operator: a large `switch` has hundreds of blocks in each other.
const MOST_INDENT: usize = 24;

/// An operator, indented so far that it stays in sight.
fn indented(text: &str) -> &str {
    let indent = text.len() - text.trim_start().len();
    &text[indent.saturating_sub(MOST_INDENT)..]
}

/// Whether a file can be written.
fn check_writable(path: &Path) -> Result<()> {
    if path.is_dir() {
        bail!("failed to write {}: it is a folder", path.display());
    }
    // The dot is in folders only.
    let folder = path.parent().unwrap_or(path).join(".");
    let written_to = if path.exists() { path } else { &folder };
    rustix::fs::access(written_to, Access::WRITE_OK)
        .with_context(|| format!("failed to write {}", path.display()))
}

struct Explorer {
    function: String,
    config: Config,
    out: PathBuf,
    stop: Stop,
    profiler: Profiler,
    /// While the program's first thread runs.
    sampled: Option<Attached>,
    /// What was noted of each thread.
    recordings: Vec<Recording>,
}

impl Observer for Explorer {
    fn configure(&mut self, config: &mut Config) {
        config.operator_offsets(true);
    }

    fn begin(&mut self, store: &Store<Host>) -> Result<()> {
        self.stop.watch(store.interrupt_handle())?;
        self.sampled = Some(self.profiler.attach(store)?);
        Ok(())
    }

    fn of_threads(&self) -> Option<Profiler> {
        Some(self.profiler.clone())
    }

    fn end(&mut self, _: &Store<Host>) {
        self.stop.program_ended();
        self.sampled = None;
    }

    fn finish(&mut self, _: &Events, module: &Module) -> Vec<Error> {
        self.write(module).err().into_iter().collect()
    }
}

impl Explorer {
    fn write(&mut self, module: &Module) -> Result<()> {
        self.recordings = self.profiler.snapshot();
        let operators = Operators::read(module.bytes())?;
        let mut pages = String::new();
        for index in select(module, &self.function)? {
            let page = self.page(module, &operators, index)?;
            pages.push_str(&page::section(&page));
        }
        std::fs::write(&self.out, page::html(&self.function, &pages))
            .with_context(|| format!("failed to write {}", self.out.display()))?;
        say(&format!("{} written\n", self.out.display()));
        Ok(())
    }

    fn page(&self, module: &Module, operators: &Operators, index: u32) -> Result<Page> {
        let mut codes = module.function_codes(index);
        let ran = codes.len();
        for tier in [Tier::Baseline, Tier::Optimizer] {
            let name = if tier == Tier::Baseline { "baseline" } else { "optimized" };
            if codes.iter().all(|code| code.tier != name) {
                codes.extend(self.compiled(module, index, tier)?);
            }
        }
        let body = module.function_body_range(index).context("only functions with a body")?;
        let wasm = operators.within(&body);
        let start = wasm.first().map(|first| first.0);
        let mut by_operator = HashMap::new();
        let machine: Vec<Column> = codes
            .iter()
            .enumerate()
            .map(|(i, code)| self.machine_code(code, (i < ran, start), &mut by_operator))
            .collect();
        let wasm = wasm.iter().map(|(offset, text)| Line {
            operator: Some(*offset),
            samples: by_operator.get(offset).copied().unwrap_or(0),
            text: format!("{offset:#8x}  {}", indented(text)),
        });
        let wasm = Column { title: "wasm".to_owned(), lines: wasm.collect() };
        let columns = [wasm, intermediate(module, index)?].into_iter().chain(machine);
        Ok(Page {
            title: format!("function {index} {}", symbols::function_name(module, index)),
            note: self.note(),
            columns: columns.collect(),
        })
    }

    /// What was sampled.
    fn note(&self) -> String {
        let Some(source) = self.recordings.iter().find_map(|recording| recording.source) else {
            return "the program did not run".to_owned();
        };
        let samples: usize = self.recordings.iter().map(|recording| recording.samples.len()).sum();
        match self.recordings.len() {
            1 => format!("{samples} samples of the program by {source}"),
            threads => format!("{samples} samples of the program's {threads} threads by {source}"),
        }
    }

    /// The code that a tier makes of the function.
    fn compiled(&self, module: &Module, index: u32, tier: Tier) -> Result<Vec<CodeDump>> {
        let mut config = self.config.clone();
        config.tier(tier);
        let engine = Engine::new(&config)?;
        let module = Module::from_binary(&engine, module.bytes())?;
        module.compile_function(index)?;
        Ok(module.function_codes(index))
    }

    /// A column of machine code, which may have run, of a function that starts there. Adds its samples to
    /// those of operators.
    fn machine_code(
        &self,
        code: &CodeDump,
        (ran, start): (bool, Option<usize>),
        by_operator: &mut HashMap<usize, u64>,
    ) -> Column {
        let instructions = disassemble(&code.bytes);
        let mut samples = vec![0u64; instructions.len()];
        for offset in self.interrupted(code) {
            let after = instructions.partition_point(|line| line.offset as usize <= offset);
            samples[after - 1] += 1;
        }
        let lines = instructions.iter().zip(samples).map(|(instruction, samples)| {
            let after = code.pcs.partition_point(|entry| entry.0 <= instruction.offset);
            // What comes before all operators is the function's entry.
            let operator = after.checked_sub(1).map_or(start, |i| Some(code.pcs[i].1 as usize));
            if let Some(operator) = operator.filter(|_| samples > 0) {
                *by_operator.entry(operator).or_default() += samples;
            }
            let trap = code.traps.iter().find(|trap| trap.0 == instruction.offset);
            let trap = trap.map(|trap| format!("  ; {}", trap.1.message())).unwrap_or_default();
            let text = format!("{:6x}  {}{trap}", instruction.offset, instruction.text);
            Line { operator, samples, text }
        });
        let lines = lines.collect();
        let (tier, bytes) = (code.tier, code.bytes.len());
        let ran = if ran { "" } else { ", did not run" };
        Column { title: format!("{tier}: {bytes} bytes{ran}"), lines }
    }

    /// Offsets in the code at which the program was interrupted.
    fn interrupted<'a>(&'a self, code: &'a CodeDump) -> impl Iterator<Item = usize> + 'a {
        let samples = self.recordings.iter().flat_map(|recording| &recording.samples);
        let leaves = samples.filter_map(|sample| sample.interrupted());
        let inside = |address: usize| address.checked_sub(code.address);
        leaves.filter_map(inside).filter(|&offset| offset < code.bytes.len())
    }
}

/// The intermediate code of the optimising tier. An instruction begins with `@` and the offset of its
/// operator, and has its place far behind that.
fn intermediate(module: &Module, index: u32) -> Result<Column> {
    let text = match module.intermediate_code(index) {
        Ok(text) => text,
        Err(error) => format!("the optimizing tier cannot compile it: {error:#}"),
    };
    let mut body = 0..0;
    if let Some(range) = module.function_body_range(index) {
        body = range;
    }
    let lines = text.lines().map(|line| {
        let at = line.trim_start().strip_prefix('@').unwrap_or_default();
        let (digits, code) = at.split_once(' ').unwrap_or(("", line));
        let operator = usize::from_str_radix(digits, 16).ok();
        let operator = operator.filter(|offset| body.contains(offset));
        let offset = operator.map_or(String::new(), |offset| format!("{offset:#x}"));
        let indent = if code.trim_start().starts_with("block") { "" } else { "  " };
        Line { operator, samples: 0, text: format!("{offset:>8}  {indent}{}", code.trim()) }
    });
    Ok(Column { title: "intermediate code (CLIF)".to_owned(), lines: lines.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_stay_in_sight() {
        assert_eq!(indented("  nop"), "  nop");
        assert_eq!(indented(&format!("{:100}nop", "")), format!("{:24}nop", ""));
    }
}
