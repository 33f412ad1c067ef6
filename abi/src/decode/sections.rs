//! Copies the declarations of each section into the [`Module`].
//!
//! Every section has passed the validator before it comes here.

use super::error::DecodeError;
use super::{const_expr, to_range, types};
use crate::index::{FuncIndex, GlobalIndex, MemoryIndex, TableIndex, TagIndex, TypeIndex};
use crate::module::{
    DataSegment, ElemItems, ElemMode, ElemSegment, Export, ExternIndex, GlobalDecl, Import, Module,
    TableDecl,
};
use crate::types::{RefType, SubType};
use wasmparser::{
    DataKind, DataSectionReader, ElementItems, ElementKind, ElementSectionReader,
    ExportSectionReader, ExternalKind, FunctionSectionReader, GlobalSectionReader,
    ImportSectionReader, MemorySectionReader, TableInit, TableSectionReader, TagSectionReader,
    TypeRef, TypeSectionReader,
};

type Done = Result<(), DecodeError>;

pub(super) fn read_types(module: &mut Module, section: TypeSectionReader<'_>) -> Done {
    module.types.reserve_exact(section.count() as usize);
    for group in section {
        let group = group?;
        let start = TypeIndex::new(module.types.len());
        let len = TypeIndex::new(group.types().len()).0;
        let convert = |ty| -> SubType { types::sub_type(ty, start, len) };
        module.types.extend(group.types().map(convert));
    }
    Ok(())
}

pub(super) fn read_imports(module: &mut Module, section: ImportSectionReader<'_>) -> Done {
    for import in section.into_imports() {
        let import = import?;
        let item = match import.ty {
            TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                module.imported.funcs += 1;
                module.funcs.push(TypeIndex(ty));
                ExternIndex::Func(FuncIndex(module.imported.funcs - 1))
            }
            TypeRef::Table(ty) => {
                module.imported.tables += 1;
                module.tables.push(TableDecl { ty: types::table_type(ty), init: None });
                ExternIndex::Table(TableIndex(module.imported.tables - 1))
            }
            TypeRef::Memory(ty) => {
                module.imported.memories += 1;
                module.memories.push(types::memory_type(ty));
                ExternIndex::Memory(MemoryIndex(module.imported.memories - 1))
            }
            TypeRef::Global(ty) => {
                module.imported.globals += 1;
                module.globals.push(GlobalDecl { ty: types::global_type(ty), init: None });
                ExternIndex::Global(GlobalIndex(module.imported.globals - 1))
            }
            TypeRef::Tag(ty) => {
                module.imported.tags += 1;
                module.tags.push(TypeIndex(ty.func_type_idx));
                ExternIndex::Tag(TagIndex(module.imported.tags - 1))
            }
        };
        module.imports.push(Import {
            module: import.module.to_owned(),
            name: import.name.to_owned(),
            item,
        });
    }
    Ok(())
}

pub(super) fn read_functions(module: &mut Module, section: FunctionSectionReader<'_>) -> Done {
    module.funcs.reserve_exact(section.count() as usize);
    for ty in section {
        module.funcs.push(TypeIndex(ty?));
    }
    Ok(())
}

pub(super) fn read_tables(module: &mut Module, section: TableSectionReader<'_>) -> Done {
    for table in section {
        let table = table?;
        let init = match table.init {
            TableInit::RefNull => None,
            TableInit::Expr(expr) => Some(const_expr::convert(&expr, &mut module.escaping_funcs)?),
        };
        module.tables.push(TableDecl { ty: types::table_type(table.ty), init });
    }
    Ok(())
}

pub(super) fn read_memories(module: &mut Module, section: MemorySectionReader<'_>) -> Done {
    for memory in section {
        module.memories.push(types::memory_type(memory?));
    }
    Ok(())
}

pub(super) fn read_tags(module: &mut Module, section: TagSectionReader<'_>) -> Done {
    for tag in section {
        module.tags.push(TypeIndex(tag?.func_type_idx));
    }
    Ok(())
}

pub(super) fn read_globals(module: &mut Module, section: GlobalSectionReader<'_>) -> Done {
    module.globals.reserve_exact(section.count() as usize);
    for global in section {
        let global = global?;
        let init = const_expr::convert(&global.init_expr, &mut module.escaping_funcs)?;
        module.globals.push(GlobalDecl { ty: types::global_type(global.ty), init: Some(init) });
    }
    Ok(())
}

pub(super) fn read_exports(module: &mut Module, section: ExportSectionReader<'_>) -> Done {
    module.exports.reserve_exact(section.count() as usize);
    for export in section {
        let export = export?;
        let item = match export.kind {
            ExternalKind::Func | ExternalKind::FuncExact => {
                module.escaping_funcs.push(FuncIndex(export.index));
                ExternIndex::Func(FuncIndex(export.index))
            }
            ExternalKind::Table => ExternIndex::Table(TableIndex(export.index)),
            ExternalKind::Memory => ExternIndex::Memory(MemoryIndex(export.index)),
            ExternalKind::Global => ExternIndex::Global(GlobalIndex(export.index)),
            ExternalKind::Tag => ExternIndex::Tag(TagIndex(export.index)),
        };
        module.exports.push(Export { name: export.name.to_owned(), item });
    }
    Ok(())
}

pub(super) fn read_elements(module: &mut Module, section: ElementSectionReader<'_>) -> Done {
    for segment in section {
        let segment = segment?;
        let escaping = &mut module.escaping_funcs;
        let mode = match segment.kind {
            ElementKind::Passive => ElemMode::Passive,
            ElementKind::Declared => ElemMode::Declared,
            ElementKind::Active { table_index, offset_expr } => ElemMode::Active {
                table: TableIndex(table_index.unwrap_or(0)),
                offset: const_expr::convert(&offset_expr, escaping)?,
            },
        };
        let (ty, items) = match segment.items {
            ElementItems::Functions(funcs) => {
                let funcs: Box<[FuncIndex]> =
                    funcs.into_iter().map(|f| f.map(FuncIndex)).collect::<Result<_, _>>()?;
                escaping.extend_from_slice(&funcs);
                (RefType { nullable: false, ..RefType::FUNCREF }, ElemItems::Funcs(funcs))
            }
            ElementItems::Expressions(ty, exprs) => {
                let mut items = Vec::with_capacity(exprs.count() as usize);
                for expr in exprs {
                    items.push(const_expr::convert(&expr?, escaping)?);
                }
                (types::ref_type(ty), ElemItems::Exprs(items.into()))
            }
        };
        module.elems.push(ElemSegment { mode, ty, items });
    }
    Ok(())
}

pub(super) fn read_data(module: &mut Module, section: DataSectionReader<'_>) -> Done {
    module.data.reserve_exact(section.count() as usize);
    for segment in section {
        let segment = segment?;
        let active = match segment.kind {
            DataKind::Passive => None,
            DataKind::Active { memory_index, offset_expr } => {
                let offset = const_expr::convert(&offset_expr, &mut module.escaping_funcs)?;
                Some((MemoryIndex(memory_index), offset))
            }
        };
        // The content ends where the segment ends.
        let end = to_range(segment.range).end;
        module.data.push(DataSegment { active, range: end - segment.data.len()..end });
    }
    Ok(())
}
