//! Wide arithmetic: 128-bit integers in halves.

use crate::translate::Translator;
use cranelift_codegen::ir::{InstBuilder, Value};

impl Translator<'_, '_> {
    /// `i64.add128`
    pub(crate) fn i64_add128(&mut self) {
        let (a, b) = self.pop_wide();
        let sum = self.builder.ins().iadd(a, b);
        self.push_halves(sum);
    }

    /// `i64.sub128`
    pub(crate) fn i64_sub128(&mut self) {
        let (a, b) = self.pop_wide();
        let difference = self.builder.ins().isub(a, b);
        self.push_halves(difference);
    }

    /// `i64.mul_wide_s` and `i64.mul_wide_u`
    pub(crate) fn i64_mul_wide(&mut self, signed: bool) {
        let b = self.pop();
        let a = self.pop();
        let low = self.builder.ins().imul(a, b);
        let high = match signed {
            true => self.builder.ins().smulhi(a, b),
            false => self.builder.ins().umulhi(a, b),
        };
        self.push(low);
        self.push(high);
    }

    fn pop_wide(&mut self) -> (Value, Value) {
        let (b_high, b_low) = (self.pop(), self.pop());
        let (a_high, a_low) = (self.pop(), self.pop());
        let a = self.builder.ins().iconcat(a_low, a_high);
        let b = self.builder.ins().iconcat(b_low, b_high);
        (a, b)
    }

    fn push_halves(&mut self, value: Value) {
        let (low, high) = self.builder.ins().isplit(value);
        self.push(low);
        self.push(high);
    }
}
