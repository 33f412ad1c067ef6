//! Entry into a loop from a baseline frame.
//!
//! The entry block of an OSR body loads all locals and the whole operand stack from the thread's
//! buffer, 16 bytes each, and jumps to the loop's header. The code before the loop is translated
//! as well, and is reached when an outer loop turns. What lies on the operand stack at the header
//! has two definitions, that code and the buffer, so it becomes variables. Locals that are known to be constants,
//! or sums of others and constants, are made anew instead ([`crate::derived`]).
//!
//! An operand becomes a variable where the first block above it opens, and stays the same one: it
//! is defined then on every path through that block, those included that do not come by the loop
//! (the other side of an `if` around it) and those that come from the buffer and pass the block's
//! start when an outer loop turns.

use crate::derived::{self, Combined, Derived};
use crate::memory_flags::Region;
use crate::translate::{Operand, Translator};
use cranelift_codegen::ir::immediates::{Ieee32, Ieee64};
use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use cranelift_frontend::Variable;
use std::collections::HashSet;
use std::mem::offset_of;
use upshift_abi::layout::ThreadContext;

/// Bytes between values in the buffer.
const VALUE_BYTES: usize = 16;

impl Translator<'_, '_> {
    /// Makes all operands variables, as long as the loop that is entered was not met. Those are
    /// the lower ones already.
    pub(crate) fn name_operands(&mut self) {
        if self.osr_block.is_none() {
            return;
        }
        for i in (0..self.stack.len()).rev() {
            let value = match self.stack[i] {
                Operand::Value(value) => value,
                Operand::Ref(_) => continue,
                Operand::Var(_) => break,
            };
            let ty = self.builder.func.dfg.value_type(value);
            let var = self.builder.declare_var(ty);
            self.builder.def_var(var, value);
            self.stack[i] = Operand::Var(var);
        }
    }

    /// Makes the loop at hand, whose header comes next, the place where the body is entered.
    pub(crate) fn enter_from_buffer(&mut self) {
        self.name_operands();
        let Some(block) = self.osr_block.take() else { return };
        self.load_references();
        let merge = self.builder.create_block();
        let mut operands: Vec<(Variable, Type)> = Vec::new();
        for i in 0..self.stack.len() {
            let (Operand::Var(var) | Operand::Ref(var)) = self.stack[i] else {
                unreachable!("operands have names")
            };
            let value = self.builder.use_var(var);
            operands.push((var, self.builder.func.dfg.value_type(value)));
        }
        self.builder.ins().jump(merge, &[]);
        self.builder.switch_to_block(block);
        self.builder.seal_block(block);
        let thread = self.thread();
        let flags = self.regions.changing(self.builder.func, Region::Thread);
        let offset = crate::offset(offset_of!(ThreadContext, osr_buffer));
        let buffer = self.builder.ins().load(types::I64, flags, thread, offset);
        let places = [self.locals.as_slice(), &operands].concat();
        let derived = self.derived_locals();
        let is_derived: HashSet<usize> = derived.iter().map(|&(i, _)| i as usize).collect();
        for (i, (var, ty)) in
            places.into_iter().enumerate().filter(|(i, _)| !is_derived.contains(i))
        {
            let value = self.buffer_value(buffer, i, ty);
            self.builder.def_var(var, value);
        }
        for (local, derived) in derived {
            let (var, ty) = self.locals[local as usize];
            let value = self.derived_value(derived, ty);
            self.builder.def_var(var, value);
        }
        self.builder.ins().jump(merge, &[]);
        self.builder.switch_to_block(merge);
        self.builder.seal_block(merge);
        self.forget_slots();
        // What was learned before does not dominate what comes; nothing is undone to it either.
        self.facts.forget_all();
        for frame in &mut self.control {
            frame.facts = 0;
        }
    }

    /// The locals that need no loading at the loop at hand.
    fn derived_locals(&self) -> Vec<(u32, Derived)> {
        let input = self.src.input;
        let body = input.body(input.func);
        let offset = u32::try_from(self.src.pc).unwrap_or(u32::MAX);
        let is_scalar = |&(_, ty): &(_, Type)| ty.is_int() || ty.is_float();
        let refs = self.ref_locals.iter();
        let wanted =
            self.locals.iter().zip(refs).map(|(local, is_ref)| is_scalar(local) && !is_ref);
        let wanted: Vec<bool> = wanted.collect();
        derived::at_loop(&body, offset, &wanted, self.src.ty.params.len())
            .expect("the body was validated")
    }

    fn derived_value(&mut self, derived: Derived, ty: Type) -> Value {
        match derived {
            Derived::Constant(bits) if ty == types::F32 => {
                let bits = u32::try_from(bits).expect("a constant of the type");
                self.builder.ins().f32const(Ieee32::with_bits(bits))
            }
            Derived::Constant(bits) if ty == types::F64 => {
                self.builder.ins().f64const(Ieee64::with_bits(bits))
            }
            Derived::Constant(bits) => self.int_constant(ty, bits.cast_signed()),
            Derived::Of { base, how, with } => {
                let base = self.builder.use_var(self.locals[base as usize].0);
                if with == 0 {
                    return base;
                }
                let with = self.int_constant(ty, with);
                match how {
                    Combined::Sum => self.builder.ins().iadd(base, with),
                    Combined::Or => self.builder.ins().bor(base, with),
                }
            }
        }
    }

    fn int_constant(&mut self, ty: Type, value: i64) -> Value {
        // An immediate has the bits of its type.
        let value = if ty == types::I32 { value & 0xffff_ffff } else { value };
        self.builder.ins().iconst(ty, value)
    }

    fn buffer_value(&mut self, buffer: Value, position: usize, ty: Type) -> Value {
        let flags = self.regions.changing(self.builder.func, Region::Fixed);
        self.builder.ins().load(ty, flags, buffer, crate::offset(position * VALUE_BYTES))
    }
}
