//! Entry into a loop from a baseline frame.
//!
//! The entry block of an OSR body loads all locals and the whole operand stack from the thread's
//! buffer, 16 bytes each, and jumps to the loop's header. The code before the loop is translated
//! as well, and is reached when an outer loop turns. What lies on the operand stack at the header
//! has two definitions, that code and the buffer, so it becomes variables.
//!
//! An operand becomes a variable where the first block above it opens, and stays the same one: it
//! is defined then on every path through that block, those included that do not come by the loop
//! (the other side of an `if` around it) and those that come from the buffer and pass the block's
//! start when an outer loop turns.

use crate::memory_flags::Region;
use crate::translate::{Operand, Translator};
use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use cranelift_frontend::Variable;
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
        for (i, (var, ty)) in places.into_iter().enumerate() {
            let value = self.buffer_value(buffer, i, ty);
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

    fn buffer_value(&mut self, buffer: Value, position: usize, ty: Type) -> Value {
        let flags = self.regions.changing(self.builder.func, Region::Fixed);
        self.builder.ins().load(ty, flags, buffer, crate::offset(position * VALUE_BYTES))
    }
}
