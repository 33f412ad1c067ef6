//! Evaluation of constant expressions in an instance.

use crate::Result;
use crate::Trap;
use crate::api::module::Module;
use crate::builtin::object::new_array;
use crate::gc::access::{Reference, element_place};
use crate::store::entities::InstanceData;
use crate::store::{Slot, StoreInner};
use crate::vm::InstanceRef;
use anyhow::bail;
use smallvec::SmallVec;
use upshift_abi::index::{FuncIndex, TypeIndex};
use upshift_abi::layout::Cell;
use upshift_abi::module::{ConstExpr, ConstOp};

/// The instance that an expression belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    vm: InstanceRef,
    module: Module,
}

impl Origin {
    /// The instance, whether its store has it already or not.
    pub(crate) fn of(instance: &InstanceData) -> Self {
        Self { vm: instance.instance(), module: instance.module.clone() }
    }

    /// The module.
    pub(crate) fn module(&self) -> &Module {
        &self.module
    }

    /// The instance.
    pub(crate) fn vm(&self) -> InstanceRef {
        self.vm
    }

    /// The bits of a reference to a function of the instance.
    pub(crate) fn func_bits(&self, func: FuncIndex) -> u64 {
        let record = self.vm.func_record(self.module.layout(), func);
        record.expect("functions that are referred to have records").bits()
    }

    /// The value of an operator without operands.
    fn leaf(&self, op: &ConstOp) -> Option<Slot> {
        Some(match *op {
            ConstOp::I32Const(v) => [u64::from(v.cast_unsigned()), 0],
            ConstOp::I64Const(v) => [v.cast_unsigned(), 0],
            ConstOp::F32Const(v) => [u64::from(v), 0],
            ConstOp::F64Const(v) => [v, 0],
            ConstOp::V128Const(v) => crate::api::val::split_u128(v),
            ConstOp::GlobalGet(index) => self.vm.global(self.module.layout(), index).get(),
            ConstOp::RefNull(_) => [0, 0],
            ConstOp::RefFunc(index) => [self.func_bits(index), 0],
            _ => return None,
        })
    }
}

/// The value of an expression. Function records and the globals it reads must be in place. Makes
/// objects, but never collects.
pub(crate) fn evaluate(store: &mut StoreInner, at: &Origin, expr: &ConstExpr) -> Result<Slot> {
    if let [op] = &*expr.ops
        && let Some(value) = at.leaf(op)
    {
        return Ok(value);
    }
    // What is on the stack is no root.
    let could_collect = std::mem::replace(&mut store.may_collect, false);
    let mut evaluation = Evaluation { store, at, stack: SmallVec::new() };
    let done = expr.ops.iter().try_for_each(|op| evaluation.step(op));
    let value = evaluation.stack.pop();
    store.may_collect = could_collect;
    done?;
    value.ok_or_else(|| anyhow::anyhow!("a constant expression has a value"))
}

struct Evaluation<'a> {
    store: &'a mut StoreInner,
    at: &'a Origin,
    stack: SmallVec<[Slot; 8]>,
}

impl Evaluation<'_> {
    fn pop(&mut self) -> Slot {
        self.stack.pop().expect("validation keeps the stack from underflow")
    }

    fn pop_u32(&mut self) -> u32 {
        crate::api::val::low_u32(self.pop())
    }

    fn step(&mut self, op: &ConstOp) -> Result<()> {
        if let Some(value) = self.at.leaf(op) {
            self.stack.push(value);
            return Ok(());
        }
        let bits = match *op {
            ConstOp::RefI31 => {
                let value = self.pop_u32().cast_signed();
                Reference::I31(value).bits().into()
            }
            ConstOp::AnyConvertExtern | ConstOp::ExternConvertAny => return Ok(()),
            ConstOp::StructNew(ty) => {
                let fields = self.at.module.declarations().structure(ty).fields.len();
                let values = self.stack.len() - fields;
                let values: SmallVec<[Slot; 8]> = self.stack.drain(values..).collect();
                self.structure(ty, &values)?
            }
            ConstOp::StructNewDefault(ty) => self.structure(ty, &[])?,
            ConstOp::ArrayNew(ty) => {
                let (length, value) = (self.pop_u32(), self.pop());
                self.array(ty, length, std::iter::repeat_n(value, length as usize))?
            }
            ConstOp::ArrayNewDefault(ty) => {
                let length = self.pop_u32();
                self.array(ty, length, std::iter::empty())?
            }
            ConstOp::ArrayNewFixed(ty, length) => {
                let values = self.stack.len() - length as usize;
                let values: Vec<Slot> = self.stack.drain(values..).collect();
                self.array(ty, length, values.into_iter())?
            }
            _ => {
                let (b, a) = (self.pop(), self.pop());
                binary(op, a[0], b[0])?
            }
        };
        self.stack.push([bits, 0]);
        Ok(())
    }

    /// A structure with these fields, or with the defaults of its fields.
    fn structure(&mut self, ty: TypeIndex, values: &[Slot]) -> Result<u64> {
        let layout = self.at.module.declarations().structure(ty);
        let id = self.at.module.type_entry(ty).id();
        let object = self.store.allocate(id, layout.size_bytes.into())?;
        for (i, &(cell, offset)) in layout.fields.iter().enumerate() {
            let value = values.get(i).copied().unwrap_or_default();
            self.initialize(object, (cell, object + offset), value)?;
        }
        Ok(object.into())
    }

    /// An array whose first elements are these, all others zero.
    fn array(
        &mut self,
        ty: TypeIndex,
        length: u32,
        values: impl Iterator<Item = Slot>,
    ) -> Result<u64> {
        let layout = self.at.module.declarations().array(ty);
        let id = self.at.module.type_entry(ty).id();
        let array = new_array(self.store, id, layout, length)?;
        for (i, value) in values.enumerate() {
            let index = u32::try_from(i).map_err(|_| Trap::AllocationTooLarge)?;
            let place = element_place(layout, array, index);
            self.initialize(array, (layout.element, place), value)?;
        }
        Ok(array.into())
    }

    /// Writes to a new object, which may be among the old ones.
    fn initialize(&mut self, object: u32, (cell, place): (Cell, u32), value: Slot) -> Result<()> {
        if cell == Cell::Ref {
            self.store.note_write(object);
        }
        self.store.write_cell(cell, place, value)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "32-bit arithmetic on slots")]
fn binary(op: &ConstOp, a: u64, b: u64) -> Result<u64> {
    let (a32, b32) = (a as u32, b as u32);
    Ok(match op {
        ConstOp::I32Add => u64::from(a32.wrapping_add(b32)),
        ConstOp::I32Sub => u64::from(a32.wrapping_sub(b32)),
        ConstOp::I32Mul => u64::from(a32.wrapping_mul(b32)),
        ConstOp::I64Add => a.wrapping_add(b),
        ConstOp::I64Sub => a.wrapping_sub(b),
        ConstOp::I64Mul => a.wrapping_mul(b),
        _ => bail!("{op:?} is not supported in constant expressions"),
    })
}
