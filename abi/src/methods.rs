//! Method tables: which functions the fields of constant structures hold.
//!
//! Compilers of object-oriented languages put the methods of a class into a structure that a global
//! holds, and call them through its fields. What a field most likely holds can be told from these
//! globals:
//!
//! ```text
//! (global $Circle.table (ref $Circle.table) (struct.new $Circle.table (ref.func $Circle.area)))
//! (global $Square.table (ref $Square.table) (struct.new $Square.table (ref.func $Square.area)))
//!
//! field 0 of $Circle.table: $Circle.area         of $Shape.table, above both: both functions
//! ```
//!
//! It is no more than likely: other structures of the type may be made elsewhere. Whoever uses it
//! compares first.

use crate::index::{FuncIndex, TypeIndex};
use crate::module::{ConstExpr, ConstOp, GlobalDecl};
use crate::types::{CompositeType, FieldType, SubType};
use smallvec::SmallVec;
use std::collections::HashMap;

/// Functions of a field that are remembered; with more, none is likely.
pub const MAX_TARGETS: usize = 2;

/// See the module head.
#[derive(Clone, Debug, Default)]
pub struct Methods {
    fields: HashMap<(TypeIndex, u32), Targets>,
}

/// What a field holds in the structures that are known.
#[derive(Clone, Debug, Default)]
struct Targets {
    /// The functions, in the order in which they were found.
    funcs: SmallVec<[FuncIndex; MAX_TARGETS]>,
    /// Whether there are more.
    more: bool,
}

impl Methods {
    /// The method tables of a module with these types and globals.
    pub(crate) fn of(types: &[SubType], globals: &[GlobalDecl]) -> Self {
        let mut methods = Self::default();
        for init in globals.iter().filter_map(|global| global.init.as_ref()) {
            if init.ops.len() > 1 {
                methods.read(types, init);
            }
        }
        methods
    }

    /// The functions that an immutable field most likely holds one of.
    #[must_use]
    pub fn targets(&self, ty: TypeIndex, field: u32) -> &[FuncIndex] {
        let found = self.fields.get(&(ty, field)).filter(|targets| !targets.more);
        found.map_or(&[], |targets| &targets.funcs)
    }

    /// Evaluates an expression as far as functions go.
    fn read(&mut self, types: &[SubType], init: &ConstExpr) {
        let mut stack: Vec<Option<FuncIndex>> = Vec::new();
        for op in &init.ops {
            let pops = match *op {
                ConstOp::StructNew(ty) => {
                    let count = fields_of(types, ty).len();
                    let first = stack.len().saturating_sub(count);
                    self.note(types, ty, &stack[first..]);
                    count
                }
                ConstOp::ArrayNewFixed(_, count) => count as usize,
                ConstOp::I32Add | ConstOp::I32Sub | ConstOp::I32Mul => 2,
                ConstOp::I64Add | ConstOp::I64Sub | ConstOp::I64Mul => 2,
                ConstOp::ArrayNew(_) => 2,
                ConstOp::RefI31 | ConstOp::ArrayNewDefault(_) => 1,
                ConstOp::AnyConvertExtern | ConstOp::ExternConvertAny => 1,
                ConstOp::I32Const(_)
                | ConstOp::I64Const(_)
                | ConstOp::F32Const(_)
                | ConstOp::F64Const(_)
                | ConstOp::V128Const(_)
                | ConstOp::GlobalGet(_)
                | ConstOp::RefNull(_)
                | ConstOp::RefFunc(_)
                | ConstOp::StructNewDefault(_) => 0,
            };
            stack.truncate(stack.len().saturating_sub(pops));
            stack.push(match *op {
                ConstOp::RefFunc(func) => Some(func),
                _ => None,
            });
        }
    }

    /// A structure of type `ty` has these functions in its fields.
    fn note(&mut self, types: &[SubType], ty: TypeIndex, values: &[Option<FuncIndex>]) {
        let mut next = Some(ty);
        while let Some(ty) = next {
            for ((field, value), i) in fields_of(types, ty).iter().zip(values).zip(0..) {
                if let Some(func) = *value
                    && !field.mutable
                {
                    self.fields.entry((ty, i)).or_default().add(func);
                }
            }
            next = types[ty.index()].supertype;
        }
    }
}

impl Targets {
    fn add(&mut self, func: FuncIndex) {
        if self.funcs.contains(&func) {
            return;
        }
        self.more |= self.funcs.len() == MAX_TARGETS;
        if !self.more {
            self.funcs.push(func);
        }
    }
}

fn fields_of(types: &[SubType], ty: TypeIndex) -> &[FieldType] {
    match &types[ty.index()].composite {
        CompositeType::Struct(fields) => fields,
        CompositeType::Func(_) | CompositeType::Array(_) | CompositeType::Cont(_) => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{DecodeOptions, decode};
    use wasmparser::WasmFeatures;

    #[test]
    fn fields_hold_what_globals_put_there() {
        let bytes = wat::parse_str(
            "(module
                (type $f (func))
                (type $base (sub (struct (field (ref $f)) (field i32))))
                (type $one (sub $base (struct (field (ref $f)) (field i32) (field (ref $f)))))
                (type $two (sub $base (struct (field (ref $f)) (field i32) (field (mut (ref $f))))))
                (type $three (sub $base (struct (field (ref $f)) (field i32))))
                (func $a) (func $b) (func $c)
                (global (ref $one) (struct.new $one (ref.func $a)
                    (i32.add (i32.const 1) (i32.const 2)) (ref.func $b)))
                (global (ref $two) (struct.new $two (ref.func $b) (i32.const 1) (ref.func $b)))
                (global (ref $three) (struct.new $three (ref.func $b) (i32.const 1))))",
        )
        .unwrap();
        let features = WasmFeatures::all();
        let options = DecodeOptions { features, objects: true, parallel: false };
        let module = decode(&bytes, &options).unwrap();
        let targets = |ty, field| module.methods.targets(TypeIndex(ty), field);
        let (a, b) = (FuncIndex(0), FuncIndex(1));
        assert_eq!(targets(2, 0), [a]);
        assert_eq!(targets(2, 2), [b]);
        assert_eq!(targets(1, 0), [a, b]);
        assert!(targets(3, 2).is_empty() && targets(2, 1).is_empty());
    }

    #[test]
    fn too_many_functions_are_none() {
        let types = SubType {
            is_final: true,
            supertype: None,
            composite: CompositeType::Struct([].into()),
            group_start: TypeIndex(0),
            group_len: 1,
        };
        let mut targets = Targets::default();
        (0..=2).for_each(|func| targets.add(FuncIndex(func)));
        let mut methods = Methods::of(&[types], &[]);
        methods.fields.insert((TypeIndex(0), 0), targets);
        assert!(methods.targets(TypeIndex(0), 0).is_empty());
    }
}
