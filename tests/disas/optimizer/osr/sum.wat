;; A loop is entered from a baseline frame: its locals and the operand below it come from the thread's
;; buffer, 16 bytes each; what no code behind the entry reads is not loaded.
(module
  (memory 1)
  (func $sum (param $from i32) (param $to i32) (result i64) (local $s i64) (local $unused f64)
    (i64.extend_i32_u (local.get $from))
    (loop $turn (param i64) (result i64)
      (local.set $s (i64.add (local.get $s) (i64.load (local.get $from))))
      (br_if $turn (i32.lt_u (local.tee $from (i32.add (local.get $from) (i32.const 8)))
        (local.get $to))))
    (i64.add (local.get $s))))
;; function 0 sum
;;     0  cmp rsp, [r15]
;;     3  jb 0x47
;;     9  nop [rax]
;;    10  push rbp
;;    11  mov rbp, rsp
;;    14  mov r8, rsi
;;    17  xor rsi, rsi
;;    1a  mov rax, [rdi]
;;    1d  mov r9, r8
;;    20  mov ecx, r9d ; poll
;;    23  mov rcx, [rax+rcx] ; out of bounds memory access
;;    27  add r9d, 8
;;    2e  add rsi, rcx
;;    31  cmp r9d, edx
;;    34  jb 0x20
;;    3a  mov rax, r8
;;    3d  mov eax, eax
;;    3f  add rax, rsi
;;    42  mov rsp, rbp
;;    45  pop rbp
;;    46  ret
;;    47  push rbp
;;    48  mov rbp, rsp
;;    4b  call qword ptr [r15+0x100]
;;    52  pop rbp
;;    53  jmp 0x10
;; function 0 sum, entered at loop 0
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  mov rdx, rdi
;;     7  mov rax, r15
;;     a  mov rcx, [rax+0x48]
;;     e  mov esi, [rcx]
;;    10  mov eax, [rcx+0x10]
;;    13  mov rdi, [rcx+0x20]
;;    17  mov rcx, [rcx+0x40]
;;    1b  mov rdx, [rdx]
;;    1e  mov r8d, esi ; poll
;;    21  mov r8, [rdx+r8] ; out of bounds memory access
;;    25  add esi, 8
;;    2b  add rdi, r8
;;    2e  cmp esi, eax
;;    30  jb 0x1e
;;    36  lea rax, [rcx+rdi]
;;    3a  mov rsp, rbp
;;    3d  pop rbp
;;    3e  ret
