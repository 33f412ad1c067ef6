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
;;    12  vxorps xmm15, xmm15, xmm15
;;    17  vmovsd [rbp-0x40], xmm15
;;    1c  mov r11, [rdi+0x10]
;;    20  sub dword ptr [r11], 8
;;    27  js 0x60
;;    2d  mov ebx, [rbp-0x40]
;;    30  cmp rsp, [r15]
;;    33  jb 0x6c
;;    39  mov r11, [rdi+0x10]
;;    3d  sub dword ptr [r11], 2
;;    44  js 0x78
;;    4a  add ebx, esi
;;    4c  sub esi, 1
;;    4f  test esi, esi
;;    51  jne 0x30
;;    57  mov rax, rbx
;;    5a  mov rbx, [rbp-0x10]
;;    5e  leave
;;    5f  ret
;;    60  call qword ptr [r15+0x108]
;;    67  jmp 0x2d
;;    6c  call qword ptr [r15+0x100]
;;    73  jmp 0x39
;;    78  call qword ptr [r15+0x108]
;;    7f  jmp 0x4a
;; function 1 empty
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x30
;;     8  mov [rbp-8], rdi
;;     c  mov r11, [rdi+0x10]
;;    10  sub dword ptr [r11+4], 8
;;    18  js 0x3e
;;    1e  cmp rsp, [r15]
;;    21  jb 0x4a
;;    27  mov r11, [rdi+0x10]
;;    2b  sub dword ptr [r11+4], 2
;;    33  js 0x56
;;    39  jmp 0x1e
;;    3e  call qword ptr [r15+0x108]
;;    45  jmp 0x1e
;;    4a  call qword ptr [r15+0x100]
;;    51  jmp 0x27
;;    56  call qword ptr [r15+0x108]
;;    5d  jmp 0x39
