//! `upshift inspect`: what a module needs, offers and consists of.

use crate::output::print;
use crate::units::readable_bytes;
use crate::validate::read_module;
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::PathBuf;
use wasmparser::{
    BlockType, CompositeInnerType, FunctionBody, MemoryType, Name, Operator, Parser, Payload,
    TypeRef,
};

/// Options of `upshift inspect`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Number of functions to list.
    #[arg(long, value_name = "N", default_value_t = 10)]
    largest: usize,
    /// The module, binary or text.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// What was found.
#[derive(Default)]
struct Inspection<'a> {
    /// Function types as text, empty for other types.
    types: Vec<String>,
    imports: Vec<(&'a str, &'a str, String)>,
    exports: Vec<(&'a str, String)>,
    features: BTreeSet<&'static str>,
    sections: BTreeMap<String, u64>,
    names: HashMap<u32, &'a str>,
    imported_funcs: u32,
    /// Size and defined index of every body.
    bodies: Vec<(u64, u32)>,
}

/// The functions of a module.
pub(crate) struct Functions<'a> {
    /// How many are imported; the index of the first that is not.
    pub(crate) imported: u32,
    /// How many are defined.
    pub(crate) defined: u32,
    /// Their names by index, where the module says them.
    pub(crate) names: HashMap<u32, &'a str>,
}

/// Reads what functions there are.
pub(crate) fn functions(bytes: &[u8]) -> Result<Functions<'_>> {
    let mut inspection = Inspection::default();
    inspection.read(bytes)?;
    let Inspection { imported_funcs, bodies, names, .. } = inspection;
    Ok(Functions { imported: imported_funcs, defined: u32::try_from(bodies.len())?, names })
}

/// The offsets in the module of the `loop` operators of a function that is defined.
pub(crate) fn loops(bytes: &[u8], defined: u32) -> Result<Vec<u32>> {
    let mut entries = Parser::new(0).parse_all(bytes).filter_map(|payload| match payload {
        Ok(Payload::CodeSectionEntry(body)) => Some(body),
        _ => None,
    });
    let body = entries.nth(defined as usize).context("no such function")?;
    let mut loops = Vec::new();
    for operator in body.get_operators_reader()?.into_iter_with_offsets() {
        let (operator, offset) = operator?;
        if matches!(operator, Operator::Loop { .. }) {
            loops.push(u32::try_from(offset)?);
        }
    }
    Ok(loops)
}

/// Prints the report.
pub(crate) fn execute(args: &Args) -> Result<()> {
    let bytes = read_module(&args.file)?;
    let mut inspection = Inspection::default();
    inspection.read(&bytes).with_context(|| format!("`{}` is malformed", args.file.display()))?;
    print(&inspection.report(bytes.len(), args.largest))
}

macro_rules! operator_proposals {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident $ann:tt)*) => {
        /// The proposal that an operator comes from.
        fn proposal(operator: &Operator<'_>) -> &'static str {
            match operator {
                $(Operator::$op { .. } => stringify!($proposal),)*
                _ => "unknown",
            }
        }
    };
}
wasmparser::for_each_operator!(operator_proposals);

impl<'a> Inspection<'a> {
    fn read(&mut self, bytes: &'a [u8]) -> Result<()> {
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload?;
            if let Some((id, range)) = payload.as_section() {
                let name = match &payload {
                    Payload::CustomSection(custom) => format!("custom `{}`", custom.name()),
                    _ => section_name(id).to_owned(),
                };
                *self.sections.entry(name).or_default() += range.end - range.start;
            }
            self.read_payload(payload)?;
        }
        Ok(())
    }

    fn read_payload(&mut self, payload: Payload<'a>) -> Result<()> {
        match payload {
            Payload::TypeSection(types) => {
                for group in types {
                    let group = group?;
                    if group.is_explicit_rec_group() {
                        self.features.insert("gc");
                    }
                    for ty in group.types() {
                        let ty = &ty.composite_type.inner;
                        self.note_type(ty);
                        self.types.push(type_text(ty));
                    }
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import?;
                    self.note_item(&import.ty);
                    self.imported_funcs += u32::from(matches!(import.ty, TypeRef::Func(_)));
                    let kind = self.kind_of(&import.ty);
                    self.imports.push((import.module, import.name, kind));
                }
            }
            Payload::MemorySection(memories) => {
                if memories.count() > 1 {
                    self.features.insert("multi_memory");
                }
                for memory in memories {
                    self.note_memory(&memory?);
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    let what = format!("{:?} {}", export.kind, export.index).to_lowercase();
                    self.exports.push((export.name, what));
                }
            }
            Payload::CodeSectionEntry(body) => self.read_body(&body)?,
            Payload::CustomSection(custom) => {
                if let wasmparser::KnownCustom::Name(names) = custom.as_known() {
                    self.read_names(names);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn read_body(&mut self, body: &FunctionBody<'a>) -> Result<()> {
        let index = u32::try_from(self.bodies.len())?;
        let range = body.range();
        self.bodies.push((range.end - range.start, index));
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            let operator = operators.read()?;
            let proposal = proposal(&operator);
            if proposal != "mvp" {
                self.features.insert(proposal);
            }
            if let Operator::Block { blockty } | Operator::Loop { blockty } = operator
                && matches!(blockty, BlockType::FuncType(_))
            {
                self.features.insert("multi_value");
            }
        }
        Ok(())
    }

    /// Names only serve people: what cannot be read is left out.
    fn read_names(&mut self, names: wasmparser::NameSectionReader<'a>) {
        for name in names.into_iter().flatten() {
            if let Name::Function(functions) = name {
                let functions = functions.into_iter().flatten();
                self.names.extend(functions.map(|naming| (naming.index, naming.name)));
            }
        }
    }

    fn note_type(&mut self, ty: &CompositeInnerType) {
        match ty {
            CompositeInnerType::Func(ty) if ty.results().len() > 1 => {
                self.features.insert("multi_value");
            }
            CompositeInnerType::Func(_) => {}
            CompositeInnerType::Array(_) | CompositeInnerType::Struct(_) => {
                self.features.insert("gc");
            }
            CompositeInnerType::Cont(_) => {
                self.features.insert("stack_switching");
            }
        }
    }

    fn note_item(&mut self, item: &TypeRef) {
        match item {
            TypeRef::Memory(ty) => self.note_memory(ty),
            TypeRef::Tag(_) => {
                self.features.insert("exceptions");
            }
            TypeRef::Global(ty) if ty.mutable => {
                self.features.insert("mutable_global");
            }
            _ => {}
        }
    }

    fn kind_of(&self, item: &TypeRef) -> String {
        let ty = |index: &u32| self.types.get(*index as usize).map_or("", String::as_str);
        match item {
            TypeRef::Func(index) | TypeRef::FuncExact(index) => format!("func {}", ty(index)),
            TypeRef::Table(ty) => format!("table of {}", ty.element_type),
            TypeRef::Memory(ty) => format!("memory of {} pages or more", ty.initial),
            TypeRef::Global(ty) if ty.mutable => format!("mutable global of {}", ty.content_type),
            TypeRef::Global(ty) => format!("global of {}", ty.content_type),
            TypeRef::Tag(tag) => format!("tag {}", ty(&tag.func_type_idx)),
        }
    }

    fn note_memory(&mut self, ty: &MemoryType) {
        let uses = [
            (ty.memory64, "memory64"),
            (ty.shared, "threads"),
            (ty.page_size_log2.is_some(), "custom_page_sizes"),
        ];
        self.features.extend(uses.iter().filter(|(used, _)| *used).map(|(_, name)| *name));
    }

    fn report(&self, file_bytes: usize, largest: usize) -> String {
        let mut text = String::new();
        self.write_report(&mut text, file_bytes, largest).expect("strings accept everything");
        text
    }

    fn write_report(
        &self,
        out: &mut String,
        file_bytes: usize,
        largest: usize,
    ) -> std::fmt::Result {
        writeln!(out, "file: {}", readable_bytes(file_bytes as u64))?;
        let features: Vec<_> = self.features.iter().map(|name| name.replace('_', "-")).collect();
        writeln!(
            out,
            "features beyond 1.0: {}",
            if features.is_empty() { "none".into() } else { features.join(", ") }
        )?;
        writeln!(out, "\nsections:")?;
        for (name, &bytes) in &self.sections {
            writeln!(out, "  {:>10}  {name}", readable_bytes(bytes))?;
        }
        writeln!(out, "\nimports: {}", self.imports.len())?;
        for (module, name, kind) in &self.imports {
            writeln!(out, "  {module}.{name}: {kind}")?;
        }
        writeln!(out, "\nexports: {}", self.exports.len())?;
        for (name, what) in &self.exports {
            writeln!(out, "  {name}: {what}")?;
        }
        writeln!(
            out,
            "\nfunctions: {} imported, {} defined",
            self.imported_funcs,
            self.bodies.len()
        )?;
        let mut bodies = self.bodies.clone();
        bodies.sort_by_key(|&(bytes, index)| (std::cmp::Reverse(bytes), index));
        for &(bytes, defined) in bodies.iter().take(largest) {
            let index = defined + self.imported_funcs;
            let name = self.names.get(&index).copied().unwrap_or("");
            writeln!(out, "  {:>10}  {index} {name}", readable_bytes(bytes))?;
        }
        Ok(())
    }
}

/// A function type as `(i32 i64) -> (f32)`.
fn type_text(ty: &CompositeInnerType) -> String {
    let CompositeInnerType::Func(ty) = ty else { return String::new() };
    let list = |types: &[wasmparser::ValType]| {
        types.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    format!("({}) -> ({})", list(ty.params()), list(ty.results()))
}

/// Names of the sections by their ids.
fn section_name(id: u8) -> &'static str {
    const NAMES: [&str; 14] = [
        "custom",
        "type",
        "import",
        "function",
        "table",
        "memory",
        "global",
        "export",
        "start",
        "element",
        "code",
        "data",
        "data count",
        "tag",
    ];
    NAMES.get(usize::from(id)).copied().unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_imports_and_sizes_are_found() {
        let module = wat::parse_str(
            r#"(module (import "a" "b" (func)) (memory 1) (memory 2)
                (func $big (export "f") (result i32 i32) (i32.extend8_s (i32.const 1)) (i32.const 2))
                (func (drop (i32x4.splat (i32.const 1)))))"#,
        )
        .unwrap();
        let mut inspection = Inspection::default();
        inspection.read(&module).unwrap();
        let report = inspection.report(module.len(), 5);
        assert!(report.contains("multi-memory, multi-value, sign-extension, simd"), "{report}");
        assert!(report.contains("a.b: func () -> ()"), "{report}");
        assert!(report.contains("f: func 1"), "{report}");
        assert!(report.contains("1 big"), "{report}");
    }
}
