//! What the stubs of `memory.copy` and `memory.fill` do themselves.
//!
//! Programs copy strings and structures of a few dozen bytes with these operators, and leaving wasm
//! code takes longer than that. So their stubs begin with the case that most calls are: at most
//! [`SMALL_BULK_BYTES`] within memory 0, in bounds. Copies load everything before they store, so ranges
//! may overlap. Of a range of up to twice a vector or word, the first and the last one of it are moved,
//! which overlap where it is shorter.

use super::emit::{Assembler, disp};
use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};
use std::mem::offset_of;
use upshift_abi::layout::{Instance, MemoryDef, MemorySlot, SMALL_BULK_BYTES, ThreadContext};

const SMALL_BULK: i32 = disp(offset_of!(ThreadContext, small_bulk));
const MEMORY: i32 = disp(offset_of!(Instance, memory0) + offset_of!(MemorySlot, def));
const BASE: i32 = disp(offset_of!(MemoryDef, base));
const LENGTH: i32 = disp(offset_of!(MemoryDef, len_bytes));

/// Bytes of a vector register.
const VECTOR: u32 = 16;

/// `memory.copy` with the memories rdx from r8 to rcx, of r9 bytes: returns when that is done, else
/// goes on behind this with all argument registers as they were.
pub(super) fn copy_small(asm: &mut Assembler) {
    begin(asm);
    dynasm!(asm
        ; .arch x64
        ; mov r11, r8
        ; add r11, r9
        ; jc ->slow
        ; cmp r11, [rax + LENGTH]
        ; ja ->slow
        ; push rbp
        ; mov rbp, rsp
        ; mov rax, [rax + BASE]
        ; add rcx, rax
        ; add r10, rax
        ; add r8, rax
        ; add r11, rax
    );
    let bytes = |asm: &mut Assembler| {
        dynasm!(asm
            ; .arch x64
            ; movzx eax, BYTE [r8]
            ; movzx edx, BYTE [r8 + r9]
            ; movzx esi, BYTE [r11 - 1]
            ; mov [rcx], al
            ; mov [rcx + r9], dl
            ; mov [r10 - 1], sil
        );
    };
    let short = |asm: &mut Assembler| {
        dynasm!(asm
            ; .arch x64
            ; mov eax, [r8]
            ; mov edx, [r11 - 4]
            ; mov [rcx], eax
            ; mov [r10 - 4], edx
        );
    };
    let long = |asm: &mut Assembler| {
        dynasm!(asm
            ; .arch x64
            ; mov rax, [r8]
            ; mov rdx, [r11 - 8]
            ; mov [rcx], rax
            ; mov [r10 - 8], rdx
        );
    };
    let vectors = |asm: &mut Assembler, vectors: u32| {
        for (i, distance) in distances(vectors) {
            dynasm!(asm
                ; .arch x64
                ; vmovdqu Rx(2 * i), [r8 + distance]
                ; vmovdqu Rx(2 * i + 1), [r11 - distance - VECTOR as i32]
            );
        }
        for (i, distance) in distances(vectors) {
            dynasm!(asm
                ; .arch x64
                ; vmovdqu [rcx + distance], Rx(2 * i)
                ; vmovdqu [r10 - distance - VECTOR as i32], Rx(2 * i + 1)
            );
        }
    };
    by_size(asm, bytes, short, long, vectors);
}

/// `memory.fill` of the memory rdx from rcx on with the byte r8, of r9 bytes: as [`copy_small`].
pub(super) fn fill_small(asm: &mut Assembler) {
    begin(asm);
    dynasm!(asm
        ; .arch x64
        ; push rbp
        ; mov rbp, rsp
        ; mov rax, [rax + BASE]
        ; add rcx, rax
        ; add r10, rax
        ; vmovd xmm0, r8d
        ; vpbroadcastb xmm0, xmm0
        ; vmovq rax, xmm0
    );
    let bytes = |asm: &mut Assembler| {
        dynasm!(asm; .arch x64; mov [rcx], al; mov [rcx + r9], al; mov [r10 - 1], al);
    };
    let short = |asm: &mut Assembler| {
        dynasm!(asm; .arch x64; mov [rcx], eax; mov [r10 - 4], eax);
    };
    let long = |asm: &mut Assembler| {
        dynasm!(asm; .arch x64; mov [rcx], rax; mov [r10 - 8], rax);
    };
    let vectors = |asm: &mut Assembler, vectors: u32| {
        for (_, distance) in distances(vectors) {
            dynasm!(asm
                ; .arch x64
                ; vmovdqu [rcx + distance], xmm0
                ; vmovdqu [r10 - distance - VECTOR as i32], xmm0
            );
        }
    };
    by_size(asm, bytes, short, long, vectors);
}

/// Moves the r9 bytes in one of the ways and returns; defines the label of the slow path behind that.
/// `bytes` moves the first byte, that at the distance r9, which is half of what it was, and the last;
/// `short` and `long` the first and the last four and eight, `vectors` so many vectors from each end.
fn by_size(
    asm: &mut Assembler,
    bytes: impl Fn(&mut Assembler),
    short: impl Fn(&mut Assembler),
    long: impl Fn(&mut Assembler),
    vectors: impl Fn(&mut Assembler, u32),
) {
    dynasm!(asm
        ; .arch x64
        ; cmp r9, VECTOR as i32
        ; jae ->vectors
        ; cmp r9, 8
        ; jae ->long
        ; cmp r9, 4
        ; jae ->short
        ; test r9, r9
        ; je ->done
        ; shr r9, 1
    );
    bytes(asm);
    dynasm!(asm; .arch x64; pop rbp; ret; ->short:);
    short(asm);
    dynasm!(asm; .arch x64; pop rbp; ret; ->long:);
    long(asm);
    dynasm!(asm; .arch x64; ->done:; pop rbp; ret; ->vectors:);
    for (count, last) in steps() {
        if !last {
            dynasm!(asm; .arch x64; cmp r9, (2 * count * VECTOR) as i32; ja >longer);
        }
        vectors(asm, count);
        dynasm!(asm; .arch x64; pop rbp; ret; longer:);
    }
    dynasm!(asm; .arch x64; ->slow:);
}

/// Goes to the slow path unless the operator is small and its target in bounds. Behind it, rax has the
/// memory, and r10 the end of the target.
fn begin(asm: &mut Assembler) {
    dynasm!(asm
        ; .arch x64
        ; mov eax, [r15 + SMALL_BULK]
        ; cmp r9, rax
        ; ja ->slow
        ; test rdx, rdx
        ; jne ->slow
        ; mov rax, [rsi + MEMORY]
        ; mov r10, rcx
        ; add r10, r9
        ; jc ->slow
        ; cmp r10, [rax + LENGTH]
        ; ja ->slow
    );
}

/// How many vectors are moved from each end, for longer and longer ranges, and whether that is enough for
/// all.
fn steps() -> impl Iterator<Item = (u32, bool)> {
    let most = SMALL_BULK_BYTES / (2 * VECTOR);
    (0..=most.ilog2()).map(move |log2| (1 << log2, 1 << log2 == most))
}

/// The vectors from an end, numbered, and their distances from it.
fn distances(vectors: u32) -> impl Iterator<Item = (u8, i32)> {
    (0..).zip((0..).step_by(VECTOR as usize)).take(vectors as usize)
}

const _: () = assert!(SMALL_BULK_BYTES.is_power_of_two());
const _: () = assert!(SMALL_BULK_BYTES / VECTOR <= 16);
