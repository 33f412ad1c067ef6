;; Two threads count with atomic operators, one of them waits for the other.
(module $shared (memory (export "m") 1 1 shared))
(thread $worker (shared (module $shared))
  (register "shared" $shared)
  (module
    (import "shared" "m" (memory 1 1 shared))
    (func (export "run")
      (local i32)
      (loop
        (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
        (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 10000))))
      (i32.atomic.store (i32.const 8) (i32.const 1))
      (drop (memory.atomic.notify (i32.const 8) (i32.const 1)))))
  (invoke "run"))
(register "shared" $shared)
(module
  (import "shared" "m" (memory 1 1 shared))
  (func (export "run") (result i32)
    (loop
      (drop (memory.atomic.wait32 (i32.const 8) (i32.const 0) (i64.const 1000000000)))
      (br_if 0 (i32.eqz (i32.atomic.load (i32.const 8)))))
    (i32.atomic.rmw.add (i32.const 0) (i32.const 5))))
(assert_return (invoke "run") (i32.const 10000))
(wait $worker)
