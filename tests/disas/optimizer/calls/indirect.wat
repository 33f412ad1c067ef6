;; An indirect call checks the index, also against what the processor may guess, and compares the number of
;; the callee's type, whose load faults when the element is null. The length of a table that cannot grow is
;; in the code.
(module
  (type $unary (func (param i32) (result i32)))
  (table $fixed 8 8 funcref)
  (table $growing 8 funcref)
  (table $typed 4 4 (ref null $unary))
  (func $through-fixed (param i32 i32) (result i32)
    (call_indirect $fixed (type $unary) (local.get 0) (local.get 1)))
  (func $through-growing (param i32 i32) (result i32)
    (call_indirect $growing (type $unary) (local.get 0) (local.get 1)))
  (func $through-typed (param i32 i32) (result i32)
    (call_indirect $typed (type $unary) (local.get 0) (local.get 1))))
;; function 0 through-fixed
;;     0  cmp rsp, [r15]
;;     3  jb 0x64
;;     9  nop [rax]
;;    10  push rbp
;;    11  mov rbp, rsp
;;    14  mov eax, edx
;;    16  cmp rax, 8
;;    1a  jae 0x60
;;    20  mov rcx, [rdi+0x40]
;;    24  mov rcx, [rcx]
;;    27  lea rdx, [rcx+rax*8]
;;    2b  cmp rax, 8
;;    2f  cmovae rdx, rcx
;;    33  mov rax, [rdx]
;;    36  mov ecx, [rax+0x10] ; uninitialized element
;;    39  mov rdx, [rdi+0x18]
;;    3d  mov r8, rdi
;;    40  cmp ecx, [rdx]
;;    42  jne 0x62
;;    48  mov rcx, [rax]
;;    4b  mov rdi, [rax+8]
;;    4f  mov rax, r15
;;    52  mov rdx, r8
;;    55  mov [rax+0x38], rdx
;;    59  call rcx
;;    5b  mov rsp, rbp
;;    5e  pop rbp
;;    5f  ret
;;    60  ud2 ; undefined element
;;    62  ud2 ; indirect call type mismatch
;;    64  push rbp
;;    65  mov rbp, rsp
;;    68  call qword ptr [r15+0x100]
;;    6f  pop rbp
;;    70  jmp 0x10
;; function 1 through-growing
;;     0  cmp rsp, [r15]
;;     3  jb 0x66
;;     9  nop [rax]
;;    10  push rbp
;;    11  mov rbp, rsp
;;    14  mov rcx, [rdi+0x48]
;;    18  mov rax, [rcx+8]
;;    1c  mov edx, edx
;;    1e  cmp rdx, rax
;;    21  jae 0x62
;;    27  mov rcx, [rcx]
;;    2a  lea r8, [rcx+rdx*8]
;;    2e  cmp rdx, rax
;;    31  cmovae r8, rcx
;;    35  mov rax, [r8]
;;    38  mov ecx, [rax+0x10] ; uninitialized element
;;    3b  mov rdx, [rdi+0x18]
;;    3f  mov r8, rdi
;;    42  cmp ecx, [rdx]
;;    44  jne 0x64
;;    4a  mov rcx, [rax]
;;    4d  mov rdi, [rax+8]
;;    51  mov rax, r15
;;    54  mov rdx, r8
;;    57  mov [rax+0x38], rdx
;;    5b  call rcx
;;    5d  mov rsp, rbp
;;    60  pop rbp
;;    61  ret
;;    62  ud2 ; undefined element
;;    64  ud2 ; indirect call type mismatch
;;    66  push rbp
;;    67  mov rbp, rsp
;;    6a  call qword ptr [r15+0x100]
;;    71  pop rbp
;;    72  jmp 0x10
;; function 2 through-typed
;;     0  cmp rsp, [r15]
;;     3  jb 0x64
;;     9  nop [rax]
;;    10  push rbp
;;    11  mov rbp, rsp
;;    14  mov eax, edx
;;    16  cmp rax, 4
;;    1a  jae 0x60
;;    20  mov rcx, [rdi+0x50]
;;    24  mov rcx, [rcx]
;;    27  lea rdx, [rcx+rax*8]
;;    2b  cmp rax, 4
;;    2f  cmovae rdx, rcx
;;    33  mov rax, [rdx]
;;    36  mov ecx, [rax+0x10] ; uninitialized element
;;    39  mov rdx, [rdi+0x18]
;;    3d  mov r8, rdi
;;    40  cmp ecx, [rdx]
;;    42  jne 0x62
;;    48  mov rcx, [rax]
;;    4b  mov rdi, [rax+8]
;;    4f  mov rax, r15
;;    52  mov rdx, r8
;;    55  mov [rax+0x38], rdx
;;    59  call rcx
;;    5b  mov rsp, rbp
;;    5e  pop rbp
;;    5f  ret
;;    60  ud2 ; undefined element
;;    62  ud2 ; indirect call type mismatch
;;    64  push rbp
;;    65  mov rbp, rsp
;;    68  call qword ptr [r15+0x100]
;;    6f  pop rbp
;;    70  jmp 0x10
