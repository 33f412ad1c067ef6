//! Vector loads and stores.

use crate::compiler::FuncCompiler;
use crate::masm::LaneWidth;
use crate::masm::vex::*;
use crate::value::Ty;
use upshift_abi::trap::Trap;
use wasmparser::MemArg;

/// Declares bodies of one shape per row.
macro_rules! memory_lowerings {
    ($($name:ident = $shape:ident($($arg:expr),*);)*) => {$(
        pub(super) fn $name(&mut self, memarg: &MemArg) {
            self.$shape(memarg, $($arg),*);
        }
    )*};
}

/// Declares bodies of one shape per row for operators with a lane.
macro_rules! lane_lowerings {
    ($($name:ident = $shape:ident($($arg:expr),*);)*) => {$(
        pub(super) fn $name(&mut self, memarg: &MemArg, lane: u8) {
            self.$shape(memarg, $($arg,)* lane);
        }
    )*};
}

impl FuncCompiler<'_> {
    memory_lowerings! {
        v128_load = vload_by(VMOVDQU, 16);
        v128_load8x8_s = vload_by(VPMOVSXBW, 8);
        v128_load8x8_u = vload_by(VPMOVZXBW, 8);
        v128_load16x4_s = vload_by(VPMOVSXWD, 8);
        v128_load16x4_u = vload_by(VPMOVZXWD, 8);
        v128_load32x2_s = vload_by(VPMOVSXDQ, 8);
        v128_load32x2_u = vload_by(VPMOVZXDQ, 8);
        v128_load8_splat = vload_by(VPBROADCASTB, 1);
        v128_load16_splat = vload_by(VPBROADCASTW, 2);
        v128_load32_splat = vload_by(VBROADCASTSS, 4);
        v128_load64_splat = vload_by(VMOVDDUP, 8);
        v128_load32_zero = vload_by(VMOVSS, 4);
        v128_load64_zero = vload_by(VMOVSD, 8);
    }

    lane_lowerings! {
        v128_load8_lane = vload_lane(LaneWidth::L8);
        v128_load16_lane = vload_lane(LaneWidth::L16);
        v128_load32_lane = vload_lane(LaneWidth::L32);
        v128_load64_lane = vload_lane(LaneWidth::L64);
        v128_store8_lane = vstore_lane(LaneWidth::L8);
        v128_store16_lane = vstore_lane(LaneWidth::L16);
        v128_store32_lane = vstore_lane(LaneWidth::L32);
        v128_store64_lane = vstore_lane(LaneWidth::L64);
    }

    /// A load of `bytes` bytes by one instruction.
    fn vload_by(&mut self, memarg: &MemArg, op: Vex, bytes: u32) {
        let mem = self.memory_operand(memarg, bytes);
        let d = self.dest(self.after_memarg(self.after_opcode()), Ty::V128, &[]);
        self.note_trap(Trap::MemoryOutOfBounds);
        self.asm.vrm(op, d.reg.xmm(), mem);
        self.push_dest(d, Ty::V128);
    }

    pub(super) fn v128_store(&mut self, memarg: &MemArg) {
        let value = self.pop();
        let s = self.read_xmm(value);
        let mem = self.memory_operand(memarg, 16);
        self.note_trap(Trap::MemoryOutOfBounds);
        self.asm.vstore(mem, s);
    }

    fn vload_lane(&mut self, memarg: &MemArg, lane: LaneWidth, index: u8) {
        let mut vector = self.pop();
        let s = self.vread(&mut vector);
        let mem = self.memory_operand(memarg, lane.bytes());
        let d = self.dest(self.after_memarg(self.after_opcode()) + 1, Ty::V128, &[vector]);
        self.note_trap(Trap::MemoryOutOfBounds);
        self.asm.load_lane(lane, d.reg.xmm(), s, mem, index);
        self.push_dest(d, Ty::V128);
    }

    fn vstore_lane(&mut self, memarg: &MemArg, lane: LaneWidth, index: u8) {
        let value = self.pop();
        let s = self.read_xmm(value);
        let mem = self.memory_operand(memarg, lane.bytes());
        self.note_trap(Trap::MemoryOutOfBounds);
        self.asm.store_lane(lane, mem, s, index);
    }
}
