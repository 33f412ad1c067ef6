;; Integers in memory are written and read with as many bits: where a read wants more than the write before
;; it had, the processor waits until that is in the cache.
(module
  (func $callee (import "" "callee") (param i32 i32 i32 i32 i32 i32) (result i32))
  (func (export "pass") (param i32) (result i32)
    (call $take (local.get 0) (local.get 0) (local.get 0) (local.get 0) (local.get 0)
      (i32.add (local.get 0) (i32.const 1)) (i32.const 7)))
  (func $take (param i32 i32 i32 i32 i32 i32 i32) (result i32)
    (return_call $callee (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 6)
      (local.get 5))))
;; function 1 pass
;;     0  cmp rsp, [r15]
;;     3  jb 0x53
;;     9  nop [rax]
;;    10  push rbp
;;    11  mov rbp, rsp
;;    14  sub rsp, 0x10
;;    18  lea r9d, [rsi+1]
;;    1c  mov r8d, 7
;;    22  mov r9d, r9d
;;    25  mov [rsp], r9
;;    29  mov r9d, r8d
;;    2c  mov [rsp+8], r9
;;    31  mov rax, [slot]
;;    38  mov r9, rsi
;;    3b  mov rcx, r9
;;    3e  mov rdx, r9
;;    41  mov r8, r9
;;    44  call rax
;;    46  sub rsp, 0x10
;;    4a  add rsp, 0x10
;;    4e  mov rsp, rbp
;;    51  pop rbp
;;    52  ret
;;    53  push rbp
;;    54  mov rbp, rsp
;;    57  call qword ptr [r15+0x100]
;;    5e  pop rbp
;;    5f  jmp 0x10
;; function 2 take
;;     0  cmp rsp, [r15]
;;     3  jb 0x4c
;;     9  nop [rax]
;;    10  push rbp
;;    11  mov rbp, rsp
;;    14  sub rsp, 0x10
;;    18  mov [rsp], r14
;;    1c  mov r11, [rbp+0x10]
;;    20  mov r9, [rbp+0x18]
;;    24  mov r10, [rdi+0x40]
;;    28  mov rax, [rdi+0x48]
;;    2c  mov r14, r15
;;    2f  mov [r14+0x38], rdi
;;    33  mov edi, r11d
;;    36  mov [rbp+0x10], rdi
;;    3a  mov rdi, rax
;;    3d  mov r14, [rsp]
;;    41  add rsp, 0x10
;;    45  mov rsp, rbp
;;    48  pop rbp
;;    49  jmp r10
;;    4c  push rbp
;;    4d  mov rbp, rsp
;;    50  call qword ptr [r15+0x100]
;;    57  pop rbp
;;    58  jmp 0x10
