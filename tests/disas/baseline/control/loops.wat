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
;;     4  sub rsp, 0x50
;;     8  mov [rbp-8], rdi
;;     c  mov [rbp-0x10], rbx
;;    10  mov esi, esi
;;    12  vxorps xmm15, xmm15, xmm15
;;    17  vmovsd [rbp-0x40], xmm15
;;    1c  mov r11, [rdi+0x10]
;;    20  sub dword ptr [r11], 0x51
;;    27  mov eax, [r11]
;;    2a  js 0x5f
;;    30  and eax, 0x7fff
;;    36  mov r8, rax
;;    39  mov ebx, [rbp-0x40]
;;    3c  sub r8d, 0x10
;;    43  jb 0x6b
;;    49  add ebx, esi
;;    4b  sub esi, 1
;;    4e  test esi, esi
;;    50  jne 0x3c
;;    56  mov rax, rbx
;;    59  mov rbx, [rbp-0x10]
;;    5d  leave
;;    5e  ret
;;    5f  call qword ptr [r15+0x110]
;;    66  jmp 0x30
;;    6b  add r8d, 0x8000
;;    72  mov r11d, 0
;;    78  call qword ptr [r15+0x198]
;;    7f  jmp 0x49
;; function 1 empty
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov [rbp-0x10], rbx
;;    10  mov r11, [rdi+0x10]
;;    14  sub dword ptr [r11+4], 0x41
;;    1c  mov eax, [r11+4]
;;    20  js 0x40
;;    26  and eax, 0x7fff
;;    2c  mov rbx, rax
;;    2f  sub ebx, 0x10
;;    35  jb 0x4c
;;    3b  jmp 0x2f
;;    40  call qword ptr [r15+0x110]
;;    47  jmp 0x26
;;    4c  add ebx, 0x8000
;;    52  mov r11d, 4
;;    58  call qword ptr [r15+0x198]
;;    5f  jmp 0x3b
