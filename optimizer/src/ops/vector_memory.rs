//! Vector loads and stores.

use crate::translate::Translator;
use cranelift_codegen::ir::{Endianness, InstBuilder, MemFlagsData, Type, Value, types};
use wasmparser::MemArg;

/// The flags of a change of lane type.
const LITTLE: MemFlagsData = MemFlagsData::new().with_endianness(Endianness::Little);

impl Translator<'_, '_> {
    fn as_lanes(&mut self, vector: Value, lanes: Type) -> Value {
        match lanes {
            types::I8X16 => vector,
            _ => self.builder.ins().bitcast(lanes, LITTLE, vector),
        }
    }

    fn push_lanes(&mut self, vector: Value) {
        let vector = match self.builder.func.dfg.value_type(vector) {
            types::I8X16 => vector,
            _ => self.builder.ins().bitcast(types::I8X16, LITTLE, vector),
        };
        self.push(vector);
    }

    /// Loads of eight bytes whose lanes are widened.
    pub(crate) fn load_widened(&mut self, memarg: &MemArg, lanes: Type, signed: bool) {
        let place = self.memory_operand(memarg, 8);
        let (flags, base, offset) = (place.flags, place.base, place.offset);
        let ins = self.builder.ins();
        let value = match (lanes, signed) {
            (types::I8X8, true) => ins.sload8x8(flags, base, offset),
            (types::I8X8, false) => ins.uload8x8(flags, base, offset),
            (types::I16X4, true) => ins.sload16x4(flags, base, offset),
            (types::I16X4, false) => ins.uload16x4(flags, base, offset),
            (_, true) => ins.sload32x2(flags, base, offset),
            (_, false) => ins.uload32x2(flags, base, offset),
        };
        self.push_lanes(value);
    }

    fn load_part(&mut self, memarg: &MemArg, part: Type) -> Value {
        let place = self.memory_operand(memarg, part.bytes());
        self.builder.ins().load(part, place.flags, place.base, place.offset)
    }

    /// Loads of one value to all lanes.
    pub(crate) fn load_splat(&mut self, memarg: &MemArg, part: Type) {
        let value = self.load_part(memarg, part);
        let lanes = part.by(16 / part.bytes()).expect("a vector of 16 bytes");
        let vector = self.builder.ins().splat(lanes, value);
        self.push_lanes(vector);
    }

    /// Loads of one value to the lowest lane, the others zero.
    pub(crate) fn load_zero(&mut self, memarg: &MemArg, part: Type) {
        let value = self.load_part(memarg, part);
        let lanes = part.by(16 / part.bytes()).expect("a vector of 16 bytes");
        let vector = self.builder.ins().scalar_to_vector(lanes, value);
        self.push_lanes(vector);
    }

    /// Loads of one lane.
    pub(crate) fn load_lane(&mut self, memarg: &MemArg, part: Type, lane: u8) {
        let vector = self.pop();
        let value = self.load_part(memarg, part);
        let lanes = part.by(16 / part.bytes()).expect("a vector of 16 bytes");
        let vector = self.as_lanes(vector, lanes);
        let vector = self.builder.ins().insertlane(vector, value, lane);
        self.push_lanes(vector);
    }

    /// Stores of one lane.
    pub(crate) fn store_lane(&mut self, memarg: &MemArg, part: Type, lane: u8) {
        let vector = self.pop();
        let lanes = part.by(16 / part.bytes()).expect("a vector of 16 bytes");
        let vector = self.as_lanes(vector, lanes);
        let value = self.builder.ins().extractlane(vector, lane);
        let place = self.memory_operand(memarg, part.bytes());
        self.builder.ins().store(place.flags, value, place.base, place.offset);
    }
}
