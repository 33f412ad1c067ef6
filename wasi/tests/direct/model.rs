//! Random operations on this crate and on a small model of a file system, which says what each of
//! them has to give. Paths are plain here; the oracle's test has the strange ones.

use crate::common::{Guest, Outcome, Random, TempDir};
use crate::ops::{Op, Paths, Run, SLOTS, Value, random_op};
use std::collections::BTreeMap;
use upshift_wasi::types::{Errno, Filetype, fdflags, oflags, rights, whence};

#[derive(Clone, Debug)]
enum Node {
    File(Vec<u8>),
    Dir(BTreeMap<String, usize>),
    Link(String),
}

#[derive(Clone, Copy, Debug)]
struct Open {
    node: usize,
    position: u64,
    base: u64,
    append: bool,
}

struct Model {
    nodes: Vec<Node>,
    slots: [Option<Open>; SLOTS],
}

/// Where a path leads: the directory, the name in it, and what is there.
struct Place {
    dir: usize,
    name: String,
    node: Option<usize>,
}

const ROOT: usize = 0;
const MAX_LINKS: usize = 40;

impl Model {
    fn new() -> Self {
        Self { nodes: vec![Node::Dir(BTreeMap::new())], slots: [None; SLOTS] }
    }

    fn entries(&mut self, dir: usize) -> &mut BTreeMap<String, usize> {
        match &mut self.nodes[dir] {
            Node::Dir(entries) => entries,
            other => panic!("{other:?} is no directory"),
        }
    }

    fn resolve(&mut self, path: &str, follow: bool) -> Outcome<Place> {
        self.resolve_at(ROOT, path, follow, &mut 0)
    }

    fn resolve_at(
        &mut self,
        mut dir: usize,
        path: &str,
        follow: bool,
        links: &mut usize,
    ) -> Outcome<Place> {
        let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
        for parent in parents.split('/').filter(|name| !name.is_empty()) {
            dir = self.resolve_at(dir, parent, true, links)?.node.ok_or(Errno::Noent)?;
            if !matches!(self.nodes[dir], Node::Dir(_)) {
                return Err(Errno::Notdir);
            }
        }
        let node = self.entries(dir).get(name).copied();
        if let Some(Node::Link(contents)) = node.map(|node| self.nodes[node].clone())
            && follow
        {
            *links += 1;
            if *links > MAX_LINKS {
                return Err(Errno::Loop);
            }
            return self.resolve_at(dir, &contents, true, links);
        }
        Ok(Place { dir, name: name.to_owned(), node })
    }

    fn existing(&mut self, path: &str, follow: bool) -> Outcome<usize> {
        self.resolve(path, follow)?.node.ok_or(Errno::Noent)
    }

    /// A place where nothing is.
    fn free(&mut self, path: &str) -> Outcome<Place> {
        let place = self.resolve(path, false)?;
        if place.node.is_some() { Err(Errno::Exist) } else { Ok(place) }
    }

    fn add(&mut self, place: &Place, node: Node) -> usize {
        self.nodes.push(node);
        let node = self.nodes.len() - 1;
        self.entries(place.dir).insert(place.name.clone(), node);
        node
    }

    fn stat(&self, node: usize) -> Value {
        let links = self.nodes.iter().filter_map(|n| match n {
            Node::Dir(entries) => Some(entries.values().filter(|&&n| n == node).count() as u64),
            Node::File(_) | Node::Link(_) => None,
        });
        let links = links.sum();
        match &self.nodes[node] {
            Node::Dir(_) => Value::Stat(Filetype::Directory as u8, None),
            Node::File(bytes) => {
                Value::Stat(Filetype::RegularFile as u8, Some((links, bytes.len() as u64)))
            }
            Node::Link(contents) => {
                Value::Stat(Filetype::SymbolicLink as u8, Some((links, contents.len() as u64)))
            }
        }
    }

    fn open(&mut self, op: &Op) -> Outcome<Open> {
        let Op::Open { path, lookup, oflags, base, fdflags } = op else { panic!("{op:?}") };
        let (oflags, base) = (*oflags, *base);
        if oflags & oflags::DIRECTORY != 0 && oflags != oflags::DIRECTORY {
            return Err(Errno::Inval);
        }
        let (creat, excl) = (oflags & oflags::CREAT != 0, oflags & oflags::EXCL != 0);
        let follow = *lookup == 1 && !(creat && excl);
        let place = self.resolve(path, follow)?;
        let node = match place.node {
            Some(_) if creat && excl => return Err(Errno::Exist),
            Some(node) => node,
            None if creat => self.add(&place, Node::File(Vec::new())),
            None => return Err(Errno::Noent),
        };
        let write = base & rights::FD_WRITE != 0;
        match &mut self.nodes[node] {
            Node::Link(_) if oflags & oflags::DIRECTORY != 0 => return Err(Errno::Notdir),
            Node::Link(_) => return Err(Errno::Loop),
            Node::Dir(_) if write || creat => return Err(Errno::Isdir),
            Node::File(_) if oflags & oflags::DIRECTORY != 0 => return Err(Errno::Notdir),
            Node::File(bytes) if oflags & oflags::TRUNC != 0 => bytes.clear(),
            Node::File(_) | Node::Dir(_) => {}
        }
        Ok(Open { node, position: 0, base, append: fdflags & fdflags::APPEND != 0 })
    }

    /// The open file in a slot, and its bytes.
    fn file(&mut self, slot: usize, right: u64) -> Outcome<(&mut Open, &mut Vec<u8>)> {
        let open = self.slots[slot].as_mut().ok_or(Errno::Badf)?;
        match &mut self.nodes[open.node] {
            Node::File(bytes) if open.base & right == right => Ok((open, bytes)),
            _ => Err(Errno::Badf),
        }
    }

    fn read(&mut self, slot: usize, len: u32, at: Option<u64>) -> Outcome<Value> {
        let (open, bytes) = self.file(slot, rights::FD_READ)?;
        let start = usize::try_from(at.unwrap_or(open.position)).unwrap().min(bytes.len());
        let end = (start + len as usize).min(bytes.len());
        if at.is_none() {
            open.position += (end - start) as u64;
        }
        Ok(Value::Bytes(bytes[start..end].to_vec()))
    }

    fn write(&mut self, slot: usize, new: &[u8], at: Option<u64>) -> Outcome<Value> {
        let (open, bytes) = self.file(slot, rights::FD_WRITE)?;
        if new.is_empty() {
            return Ok(Value::Number(0));
        }
        // As on the host, appending wins over a position.
        let start = if open.append { bytes.len() as u64 } else { at.unwrap_or(open.position) };
        let start = usize::try_from(start).unwrap();
        bytes.resize(bytes.len().max(start + new.len()), 0);
        bytes[start..start + new.len()].copy_from_slice(new);
        if at.is_none() {
            open.position = (start + new.len()) as u64;
        }
        Ok(Value::Number(new.len() as u64))
    }

    fn rename(&mut self, from: &str, to: &str) -> Outcome {
        let (from, to) = (self.resolve(from, false)?, self.resolve(to, false)?);
        let node = from.node.ok_or(Errno::Noent)?;
        if self.contains(node, to.dir) {
            return Err(Errno::Inval);
        }
        if let Some(target) = to.node {
            if target == node {
                return Ok(());
            }
            if self.contains(target, from.dir) {
                return Err(Errno::Notempty);
            }
            match (&self.nodes[node], &self.nodes[target]) {
                (Node::Dir(_), Node::Dir(entries)) if !entries.is_empty() => {
                    return Err(Errno::Notempty);
                }
                (Node::Dir(_), Node::Dir(_)) => {}
                (Node::Dir(_), _) => return Err(Errno::Notdir),
                (_, Node::Dir(_)) => return Err(Errno::Isdir),
                _ => {}
            }
        }
        self.entries(from.dir).remove(&from.name);
        self.entries(to.dir).insert(to.name, node);
        Ok(())
    }

    /// Whether `inner` is `outer` or below it.
    fn contains(&self, outer: usize, inner: usize) -> bool {
        let Node::Dir(entries) = &self.nodes[outer] else { return false };
        outer == inner || entries.values().any(|&node| self.contains(node, inner))
    }

    fn apply(&mut self, op: &Op, random_slot: usize) -> Outcome<Value> {
        match op {
            Op::Open { .. } => self.slots[random_slot] = Some(self.open(op)?),
            Op::Close(slot) => drop(self.slots[*slot].take().ok_or(Errno::Badf)?),
            Op::Renumber(from, to) => {
                self.slots[*to].ok_or(Errno::Badf)?;
                let moved = self.slots[*from].take().ok_or(Errno::Badf)?;
                self.slots[*to] = Some(moved);
            }
            Op::Read(slot, len) => return self.read(*slot, *len, None),
            Op::Write(slot, bytes) => return self.write(*slot, bytes, None),
            Op::Pread(slot, len, at) => return self.read(*slot, *len, Some(*at)),
            Op::Pwrite(slot, bytes, at) => return self.write(*slot, bytes, Some(*at)),
            Op::Seek(_, ..0, whence::SET) => return Err(Errno::Inval),
            Op::Seek(slot, offset, from) => {
                let (open, bytes) = self.file(*slot, 0)?;
                let base = match *from {
                    whence::SET => 0,
                    whence::CUR => open.position,
                    _ => bytes.len() as u64,
                };
                open.position = base.checked_add_signed(*offset).ok_or(Errno::Inval)?;
                return Ok(Value::Number(open.position));
            }
            Op::Tell(slot) => return Ok(Value::Number(self.file(*slot, 0)?.0.position)),
            Op::SetSize(slot, size) => {
                let (open, bytes) = self.file(*slot, 0)?;
                if open.base & rights::FD_WRITE == 0 {
                    return Err(Errno::Inval);
                }
                bytes.resize(usize::try_from(*size).unwrap(), 0);
            }
            Op::Stat(slot) => return Ok(self.stat(self.slots[*slot].ok_or(Errno::Badf)?.node)),
            Op::Entries(slot) => return self.list(*slot),
            _ => return self.apply_to_path(op),
        }
        Ok(Value::Nothing)
    }

    fn list(&mut self, slot: usize) -> Outcome<Value> {
        let open = self.slots[slot].ok_or(Errno::Badf)?;
        let Node::Dir(entries) = &self.nodes[open.node] else { return Err(Errno::Notdir) };
        if open.base & rights::FD_READDIR == 0 {
            return Err(Errno::Notcapable);
        }
        let filetype = |node: usize| match self.stat(node) {
            Value::Stat(filetype, _) => filetype,
            other => panic!("{other:?}"),
        };
        if !self.contains(ROOT, open.node) {
            // It has been removed.
            return Ok(Value::Entries(Vec::new()));
        }
        let own = [".", ".."].map(|name| (name.to_owned(), Filetype::Directory as u8));
        let mut list: Vec<_> =
            entries.iter().map(|(n, &node)| (n.clone(), filetype(node))).collect();
        list.extend(own);
        list.sort();
        Ok(Value::Entries(list))
    }

    fn apply_to_path(&mut self, op: &Op) -> Outcome<Value> {
        match op {
            Op::PathStat(lookup, path) => {
                let node = self.existing(path, *lookup == 1)?;
                return Ok(self.stat(node));
            }
            Op::PathTimes(lookup, path, time) => {
                self.existing(path, *lookup == 1)?;
                return Ok(Value::Number(*time));
            }
            Op::Mkdir(path) => {
                let place = self.free(path)?;
                self.add(&place, Node::Dir(BTreeMap::new()));
            }
            Op::Rmdir(path) => {
                let place = self.resolve(path, false)?;
                match &self.nodes[place.node.ok_or(Errno::Noent)?] {
                    Node::Dir(entries) if entries.is_empty() => {}
                    Node::Dir(_) => return Err(Errno::Notempty),
                    Node::File(_) | Node::Link(_) => return Err(Errno::Notdir),
                }
                self.entries(place.dir).remove(&place.name);
            }
            Op::Unlink(path) => {
                let place = self.resolve(path, false)?;
                if let Node::Dir(_) = self.nodes[place.node.ok_or(Errno::Noent)?] {
                    return Err(Errno::Isdir);
                }
                self.entries(place.dir).remove(&place.name);
            }
            Op::Rename(from, to) => self.rename(from, to)?,
            Op::Link(from, to) => {
                let (from, to) = (self.resolve(from, false)?, self.resolve(to, false)?);
                let node = from.node.ok_or(Errno::Noent)?;
                if to.node.is_some() {
                    return Err(Errno::Exist);
                }
                if let Node::Dir(_) = self.nodes[node] {
                    return Err(Errno::Perm);
                }
                self.entries(to.dir).insert(to.name, node);
            }
            Op::Symlink(contents, path) => {
                let place = self.free(path)?;
                self.add(&place, Node::Link(contents.clone()));
            }
            Op::Readlink(path) => {
                let node = self.existing(path, false)?;
                let Node::Link(contents) = &self.nodes[node] else { return Err(Errno::Inval) };
                return Ok(Value::Text(contents.clone()));
            }
            other => panic!("{other:?}"),
        }
        Ok(Value::Nothing)
    }
}

#[test]
fn random_operations_do_what_the_model_says() {
    for seed in 1..=40 {
        let dir = TempDir::new();
        let mut run = Run::new(Guest::in_dir(&dir.0));
        let mut model = Model::new();
        let mut random = Random(seed * 0x9e37_79b9);
        let mut log = Vec::new();
        for _ in 0..400 {
            let op = random_op(&mut random, Paths::Plain);
            let slot = random.below(SLOTS);
            let (ours, expected) = (run.apply(&op, slot), model.apply(&op, slot));
            log.push(format!("{op:?} in {slot}: {ours:?}"));
            let last = &log[log.len().saturating_sub(30)..];
            assert_eq!(ours, expected, "seed {seed}, {op:?} after\n{}", last.join("\n"));
        }
    }
}
