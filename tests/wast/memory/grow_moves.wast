;; Code that runs on after a memory grew, in itself or in a callee, sees the new memory.
(module
  (memory i64 1 64)
  (func $grow (result i64) (memory.grow (i64.const 3)))
  (func (export "run") (result i64)
    (local i64)
    (i64.store (i64.const 8) (i64.const 5))
    (drop (call $grow))
    (i64.store (i64.const 200000) (i64.const 7))
    (drop (memory.grow (i64.const 20)))
    (i64.store (i64.const 1000000) (i64.const 11))
    (i64.add (i64.load (i64.const 8))
      (i64.add (i64.load (i64.const 200000)) (i64.load (i64.const 1000000))))))
(assert_return (invoke "run") (i64.const 23))
