//! Objects in generated modules: structures, arrays and `i31`, in graphs that may have cycles.
//!
//! A digest follows references a few steps and says what it finds, so that an object that gets
//! lost, or changes when it moves, shows in the result of a function.

use super::Generator;
use super::ops::Ty;

/// Types of objects, and functions that look into them.
const PRELUDE: &str = r#"(rec
    (type $node (sub (struct (field (mut i32)) (field (mut anyref)) (field (mut funcref))
        (field (mut f64)) (field (mut externref)) (field (mut exnref)) (field (mut i8)))))
    (type $big (sub final $node (struct (field (mut i32)) (field (mut anyref))
        (field (mut funcref)) (field (mut f64)) (field (mut externref)) (field (mut exnref))
        (field (mut i8)) (field (mut v128)) (field (mut (ref null $node))) (field (mut i16))))))
(type $refs (array (mut anyref)))
(type $halves (array (mut i16)))
(type $funcs (array (mut funcref)))"#;

/// The digest of what a reference leads to in a number of steps.
const DIGEST: &str = r#"(func $mix (param i64 i64) (result i64)
    (i64.rotl (i64.mul (i64.xor (local.get 0) (local.get 1)) (i64.const 0x9e3779b97f4a7c15))
        (i64.const 23)))
(func $digest_node (param $o (ref $node)) (param $d i32) (result i64)
    (local $s i64)
    (local.set $s (call $mix (i64.extend_i32_u (struct.get $node 0 (local.get $o)))
        (call $digest (struct.get $node 1 (local.get $o)) (local.get $d))))
    (local.set $s (call $mix (local.get $s) (i64.extend_i32_u
        (i32.or (ref.is_null (struct.get $node 2 (local.get $o)))
            (i32.shl (ref.is_null (struct.get $node 5 (local.get $o))) (i32.const 1))))))
    (local.set $s (call $mix (local.get $s) (i64.extend_i32_s
        (struct.get_s $node 6 (local.get $o)))))
    (call $mix (local.get $s) (i64.reinterpret_f64 (struct.get $node 3 (local.get $o)))))
(func $digest (param $a anyref) (param $d i32) (result i64)
    (local $r (ref null $refs)) (local $i i32) (local $s i64)
    (if (i32.eqz (local.get $d)) (then (return (i64.const 3))))
    (local.set $d (i32.sub (local.get $d) (i32.const 1)))
    (block $null (block $i31 (result (ref i31)) (block $node (result (ref $node))
        (br_on_cast $node anyref (ref $node)
            (br_on_cast $i31 anyref (ref i31) (br_on_null $null (local.get $a))))
        drop
        (if (ref.test (ref $refs) (local.get $a)) (then
            (local.set $r (ref.cast (ref null $refs) (local.get $a)))
            (local.set $s (i64.extend_i32_u (array.len (local.get $r))))
            (loop $l (if (i32.lt_u (local.get $i) (array.len (local.get $r))) (then
                (local.set $s (call $mix (local.get $s)
                    (call $digest (array.get $refs (local.get $r) (local.get $i))
                        (i32.shr_u (local.get $d) (i32.const 1)))))
                (local.set $i (i32.add (local.get $i) (i32.const 5)))
                (br $l))))
            (return (local.get $s))))
        (return (i64.const 5)))
        (local.get $d) (return (call $digest_node)))
        (return (call $mix (i64.extend_i32_s (i31.get_s)) (i64.const 7))))
    (i64.const 11))
(func $long (param i32) (result (ref $refs)) (array.new_default $refs
    (i32.and (local.get 0) (i32.const 63))))
(func $many (param i32) (result (ref null $node)) (local $n (ref null $node))
    (local.set 0 (i32.and (local.get 0) (i32.const 31)))
    (loop $l (if (local.get 0) (then
        (local.set $n (struct.new $node (local.get 0) (local.get $n) (ref.func $leaf)
            (f64.const 0.5) (ref.null extern) (ref.null exn) (local.get 0)))
        (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
        (br $l))))
    (local.get $n))"#;

/// Fields of `$node`, and the type of each.
const FIELDS: [(usize, Ty); 7] = [
    (0, Ty::I32),
    (1, Ty::Any),
    (2, Ty::Func),
    (3, Ty::F64),
    (4, Ty::Extern),
    (5, Ty::Exn),
    (6, Ty::I32),
];

impl Generator {
    /// Types, which come before everything else.
    pub(super) fn declare_objects(&mut self) {
        self.line(PRELUDE);
    }

    pub(super) fn define_digest(&mut self) {
        self.line(DIGEST);
        self.line("(global $g_any (mut anyref) (ref.null any))");
        self.line("(table $objects 4 4 anyref)");
    }

    /// Writes to an object or an array that is not null, or to a place that holds one.
    pub(super) fn object_statement(&mut self) {
        match self.random.below(9) {
            0..=3 => {
                let (field, ty) = FIELDS[self.random.below(FIELDS.len())];
                let object = self.local(Ty::Node);
                self.if_some(object);
                self.push(ty, 1);
                self.line(format!("struct.set $node {field} end"));
            }
            4 | 5 => {
                let array = self.local(Ty::Refs);
                self.if_some(array);
                self.push(Ty::I32, 1);
                self.line(format!("local.get {array} array.len i32.const 1 i32.or i32.rem_u"));
                self.push(Ty::Any, 1);
                self.guard_element(array);
            }
            6 => {
                self.push(Ty::Any, 2);
                self.line("global.set $g_any");
            }
            7 => {
                self.push(Ty::I32, 1);
                self.line("i32.const 3 i32.and");
                self.push(Ty::Any, 1);
                self.line("table.set $objects");
            }
            _ => self.bulk_statement(),
        }
    }

    /// Leaves the object of a local, for the code up to `end`, when it is not null.
    fn if_some(&mut self, local: usize) {
        self.line(format!("local.get {local} ref.is_null if else local.get {local}"));
    }

    /// Sets an element when there is one: array, index and value are on the stack. An index that
    /// was taken modulo an even length may be one too far.
    fn guard_element(&mut self, array: usize) {
        let (index, value) = (self.local(Ty::I32), self.local(Ty::Any));
        self.line(format!("local.set {value} local.set {index} drop"));
        self.line(format!("local.get {array} ref.is_null if else"));
        self.line(format!("local.get {index} local.get {array} array.len i32.lt_u if"));
        self.line(format!("local.get {array} local.get {index} local.get {value}"));
        self.line("array.set $refs end end end");
    }

    fn bulk_statement(&mut self) {
        let array = self.local(Ty::Refs);
        self.if_some(array);
        self.line("drop");
        self.line(format!("local.get {array} array.len i32.const 4 i32.gt_u if"));
        if self.random.below(2) == 0 {
            self.line(format!("local.get {array} i32.const 1"));
            self.line(format!("local.get {array} i32.const 0 i32.const 3 array.copy $refs $refs"));
        } else {
            self.line(format!("local.get {array} i32.const 1"));
            let value = self.local(Ty::Any);
            self.line(format!("local.get {value} i32.const 2 array.fill $refs"));
        }
        self.line("end end");
    }

    /// Something with objects that traps at some turn of a loop.
    pub(super) fn object_trap(&mut self) {
        match self.random.below(4) {
            0 => {
                self.line("ref.null $node");
                self.push(Ty::Node, 1);
                self.push_turn();
                self.line("select (result (ref null $node)) struct.get $node 0");
            }
            1 => {
                self.line("i32.const 8 array.new_default $refs");
                self.push_turn();
                self.line("i32.const 8 i32.mul array.get $refs ref.is_null");
            }
            2 => {
                self.line("i32.const 7 ref.i31");
                self.line("i32.const 3 call $many");
                self.push_turn();
                self.line("select (result anyref) ref.cast (ref $node) struct.get $node 0");
            }
            _ => {
                self.line("ref.null i31 i32.const 9 ref.i31");
                self.push_turn();
                self.line("select (result (ref null i31)) i31.get_u");
            }
        }
        self.pop(Ty::I32);
    }
}
