;; Direct calls go through the entry slot, indirect ones check the type.
(module
  (import "m" "f" (func $import (param i32)))
  (type $t (func (param i32) (result i32)))
  (table 4 funcref)
  (func $callee (param i32) (result i32) (local.get 0))
  (func $direct (param i32) (result i32)
    (i32.add (call $callee (local.get 0)) (local.get 0)))
  (func $imported (param i32) (call $import (local.get 0)))
  (func $indirect (param i32) (result i32)
    (call_indirect (type $t) (local.get 0) (i32.const 2)))
  (func $tail (param i32) (result i32) (return_call $callee (local.get 0))))
