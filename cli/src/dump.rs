//! `upshift compile --dump`: the operators of a function beside its machine code.
//!
//! Operators stand at the left with their offset in the module, machine code is indented. The
//! compiler records offsets for calls and instructions that may trap, so an operator stands at the
//! latest before the first such instruction that came of it, or of an operator behind it.

use crate::disasm::disassemble;
use anyhow::{Context, Result, bail};
use std::fmt::Write as _;
use std::ops::Range;
use upshift::{ExternType, ImportType, Module};
use upshift_profiler::symbols::function_name;

/// The listing of the function with this name or index, or of all of them for `all`.
pub(crate) fn dump(module: &Module, bytes: &[u8], function: &str) -> Result<String> {
    let operators = Operators::read(bytes)?;
    let mut text = String::new();
    for index in select(module, function)? {
        dump_function(&mut text, module, &operators, index)?;
    }
    Ok(text)
}

/// The functions with a body that `function` means: all, an index, or a name as the module has it or as
/// reports show it. Several may be called so.
pub(crate) fn select(module: &Module, function: &str) -> Result<Vec<u32>> {
    let is_func = |import: &ImportType<'_>| matches!(import.ty(), ExternType::Func(_));
    let imported = u32::try_from(module.imports().filter(is_func).count())?;
    let total = imported + u32::try_from(module.stats().functions)?;
    if function == "all" {
        return Ok((imported..total).collect());
    }
    let numbered = function.strip_prefix("func[").and_then(|rest| rest.strip_suffix(']'));
    let found = match numbered.unwrap_or(function).parse() {
        Ok(index) => vec![index],
        Err(_) => named(module, function, 0..total),
    };
    let defined: Vec<u32> =
        found.iter().copied().filter(|index| (imported..total).contains(index)).collect();
    match (found.first(), defined.is_empty()) {
        (_, false) => Ok(defined),
        (None, _) => bail!("no function is called `{function}`"),
        (Some(index), _) if *index < imported => {
            bail!("function `{function}` is imported, so it has no body")
        }
        _ if imported == total => bail!("the module has no functions of its own"),
        _ => bail!("there is no function {function}: those are {imported} to {}", total - 1),
    }
}

/// Functions with this name as the module has it; else those that reports show so, or with their index behind
/// it where others are called so, too.
fn named(module: &Module, function: &str, all: Range<u32>) -> Vec<u32> {
    let own = |index: &u32| module.function_name(*index) == Some(function);
    let shown = |index: &u32| function_name(module, *index) == function;
    let told_apart = || {
        let (name, index) = function.strip_suffix(']')?.rsplit_once('[')?;
        let index = index.parse().ok().filter(|index| all.contains(index))?;
        (function_name(module, index) == name).then_some(index)
    };
    let found: Vec<u32> = all.clone().filter(own).collect();
    if !found.is_empty() {
        return found;
    }
    told_apart().map_or_else(|| all.clone().filter(shown).collect(), |index| vec![index])
}

fn dump_function(
    out: &mut String,
    module: &Module,
    operators: &Operators,
    index: u32,
) -> Result<()> {
    let body = module.function_body_range(index).context("only functions with a body")?;
    let code =
        module.function_code(index).with_context(|| format!("function {index} is not compiled"))?;
    let name = module.function_name(index).unwrap_or_default();
    writeln!(out, "function {index} {name}: {} bytes of code", code.bytes.len())?;
    for body in &code.inlined {
        let callee = module.function_name(body.func).unwrap_or_default();
        writeln!(out, "{:#9x}  inlined: function {} {callee}", body.call, body.func)?;
    }
    let mut lines = operators.within(&body).iter().peekable();
    let mut shown = None;
    for instruction in disassemble(&code.bytes) {
        let after = code.pcs.partition_point(|entry| entry.0 <= instruction.offset);
        let at = after.checked_sub(1).map(|i| code.pcs[i].1 as usize);
        if at != shown {
            while let Some((offset, text)) = lines.next_if(|line| Some(line.0) <= at) {
                writeln!(out, "{offset:#9x}  {text}")?;
            }
            shown = at;
        }
        let trap = code.traps.iter().find(|trap| trap.0 == instruction.offset);
        let trap = trap.map(|trap| format!("  ; {}", trap.1.message())).unwrap_or_default();
        writeln!(out, "{:>20x}  {}{trap}", instruction.offset, instruction.text)?;
    }
    for (offset, text) in lines {
        writeln!(out, "{offset:#9x}  {text}")?;
    }
    out.push('\n');
    Ok(())
}

/// All operators of a module as text, in the order of their offsets.
pub(crate) struct Operators {
    lines: Vec<(usize, String)>,
}

impl Operators {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self> {
        let mut storage = String::new();
        let printer = wasmprinter::Config::new();
        let mut lines = Vec::new();
        for (offset, text) in printer.offsets_and_lines(bytes, &mut storage)? {
            if let Some(offset) = offset {
                lines.push((usize::try_from(offset)?, text.trim_end().to_owned()));
            }
        }
        lines.sort_by_key(|line| line.0);
        Ok(Self { lines })
    }

    pub(crate) fn within(&self, body: &Range<usize>) -> &[(usize, String)] {
        let start = self.lines.partition_point(|line| line.0 < body.start);
        let end = self.lines.partition_point(|line| line.0 < body.end);
        &self.lines[start..end]
    }
}
