;; A counted loop keeps its locals in registers; an empty loop still has its poll.
(module
  (func $count (param i32) (result i32) (local i32)
    (loop $again
      (local.set 1 (i32.add (local.get 1) (local.get 0)))
      (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1))
  (func $empty (loop $again (br $again))))
;; function 0 count
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov [rbp-0x10], rbx
;;    10  mov esi, esi
;;    13  vxorps xmm15, xmm15, xmm15
;;    18  vmovsd [rbp-0x40], xmm15
;;    1d  mov r11, [rdi+0x10]
;;    22  sub dword ptr [r11], 8
;;    2b  js 0x6d
;;    31  mov ebx, [rbp-0x40]
;;    35  cmp rsp, [r15]
;;    3a  jb 0x7a
;;    40  mov r11, [rdi+0x10]
;;    45  sub dword ptr [r11], 2
;;    4e  js 0x87
;;    54  add ebx, esi
;;    57  sub esi, 1
;;    5b  test esi, esi
;;    5e  jne 0x35
;;    64  mov rax, rbx
;;    67  mov rbx, [rbp-0x10]
;;    6b  leave
;;    6c  ret
;;    6d  call qword ptr [r15+0x100]
;;    75  jmp 0x31
;;    7a  call qword ptr [r15+0xf8]
;;    82  jmp 0x40
;;    87  call qword ptr [r15+0x100]
;;    8f  jmp 0x54
;; function 1 empty
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x30
;;     8  mov [rbp-8], rdi
;;     c  mov r11, [rdi+0x10]
;;    11  sub dword ptr [r11+4], 8
;;    1a  js 0x44
;;    20  cmp rsp, [r15]
;;    25  jb 0x51
;;    2b  mov r11, [rdi+0x10]
;;    30  sub dword ptr [r11+4], 2
;;    39  js 0x5e
;;    3f  jmp 0x20
;;    44  call qword ptr [r15+0x100]
;;    4c  jmp 0x20
;;    51  call qword ptr [r15+0xf8]
;;    59  jmp 0x2b
;;    5e  call qword ptr [r15+0x100]
;;    66  jmp 0x3f
