;; A counted loop keeps its locals in registers; an empty loop still has its poll.
(module
  (func $count (param i32) (result i32) (local i32)
    (loop $again
      (local.set 1 (i32.add (local.get 1) (local.get 0)))
      (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1))
  (func $empty (loop $again (br $again))))
