//! Host calls that block, and how they are interrupted.

use rustix::event::{PollFd, PollFlags};
use rustix::pipe::pipe;
use std::thread;
use std::time::{Duration, Instant};
use upshift::{Caller, Engine, Error, Linker, Module, Result, Store, Trap};

const CALLS_HOST: &str =
    r#"(module (import "" "host" (func $host)) (func (export "run") (call $host)))"#;

fn run(store: &mut Store<()>, linker: &Linker<()>) -> Result<(), Error> {
    let module = Module::new(linker.engine(), CALLS_HOST)?;
    let instance = linker.instantiate(&mut *store, &module)?;
    instance.get_typed_func::<(), ()>(&mut *store, "run")?.call(&mut *store, ())
}

#[test]
fn a_sleeping_host_call_is_interrupted() {
    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    let hour = Duration::from_secs(3600);
    linker
        .func_wrap("", "host", move |caller: Caller<'_, ()>| caller.interruption().sleep(hour))
        .unwrap();
    let mut store = Store::new(&engine, ());
    let handle = store.interrupt_handle();
    let interrupter = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        handle.interrupt();
    });
    let error = run(&mut store, &linker).unwrap_err();
    assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::Interrupt));
    interrupter.join().unwrap();
}

#[test]
fn a_deadline_ends_a_poll_and_a_second_call_works_again() {
    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    linker
        .func_wrap("", "host", |caller: Caller<'_, ()>| -> Result<()> {
            let (reader, _writer) = pipe()?;
            let mut fds = [PollFd::new(&reader, PollFlags::IN)];
            caller.interruption().poll(&mut fds, None)?;
            Ok(())
        })
        .unwrap();
    let mut store = Store::new(&engine, ());
    for _ in 0..2 {
        store.set_epoch_deadline(1);
        let ticker = {
            let engine = engine.clone();
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(10));
                engine.increment_epoch();
            })
        };
        let error = run(&mut store, &linker).unwrap_err();
        assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::Interrupt));
        ticker.join().unwrap();
    }
}

#[test]
fn poll_reports_what_is_ready_and_when_time_is_over() {
    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    linker
        .func_wrap("", "host", |caller: Caller<'_, ()>| -> Result<()> {
            let interruption = caller.interruption();
            let (reader, writer) = pipe()?;
            let mut fds = [PollFd::new(&reader, PollFlags::IN)];
            let start = Instant::now();
            assert_eq!(interruption.poll(&mut fds, Some(Duration::from_millis(15)))?, 0);
            assert!(start.elapsed() >= Duration::from_millis(15));
            assert_eq!(rustix::io::write(&writer, b"x")?, 1);
            assert_eq!(interruption.poll(&mut fds, None)?, 1);
            assert_eq!(fds[0].revents(), PollFlags::IN);
            Ok(())
        })
        .unwrap();
    run(&mut Store::new(&engine, ()), &linker).unwrap();
}
