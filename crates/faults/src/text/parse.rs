//! Reads one line of a plan.

use std::collections::BTreeMap;
use std::time::Duration;

use super::lexer::{Token, is_bare, syntax, tokens};
use super::{TextError, duration};
use crate::{
    Action, ClockFault, Direction, DiskFault, Family, Fault, FaultId, Kind, LinkFault, Links, NameFault, NodeName,
    Offset, Protocol, Trigger,
};

/// A fault with what the line says about it.
pub(super) struct Line {
    pub(super) id: Option<FaultId>,
    /// Where the id is, or would be.
    pub(super) id_column: usize,
    pub(super) kind_column: usize,
    pub(super) fault: Fault,
}

/// Reads a line; `None` if it is blank or a comment.
pub(super) fn line(text: &str, number: usize) -> Result<Option<Line>, TextError> {
    let tokens = tokens(text, number)?;
    if tokens.is_empty() {
        return Ok(None);
    }
    Reader { line: number, end: text.chars().count() + 1, tokens, at: 0 }.fault().map(Some)
}

/// What follows a fault's targets: `key=value` pairs and flags, each with its column.
type Options = BTreeMap<String, (usize, Option<Token>)>;

struct Reader {
    line: usize,
    end: usize,
    tokens: Vec<(usize, Token)>,
    at: usize,
}

impl Reader {
    fn fault(mut self) -> Result<Line, TextError> {
        let id_column = self.column();
        let id = self.id()?;
        let (trigger, start) = self.word("a start such as `12.400s`, or `on:BecameLeader+10ms`", start)?;
        let lasts = self.word("a duration such as `+3.2s`, or `+calm`", |word| match word.strip_prefix('+')? {
            "calm" => Some(None),
            length => duration::read(length).filter(|length| !length.is_zero()).map(Some),
        })?;
        let kind_column = self.column();
        let kind = self.word(&format!("a kind of fault: {}", Kind::ALL.map(Kind::name).join(", ")), Kind::named)?;
        let positional = self.targets(kind)?;
        let mut options = self.options()?;
        let action = self.action(positional, &mut options)?;
        let mut fault = Fault::new(action).at(start);
        if let Some(trigger) = trigger {
            fault = fault.when(trigger);
        }
        if let Some(length) = lasts {
            fault = fault.lasting(length);
        }
        match options.remove("must-hit") {
            Some((_, None)) => fault = fault.must_hit(),
            Some((column, Some(value))) => {
                return Err(syntax(self.line, column, "`must-hit` without a value", &value.shown()));
            }
            None => {}
        }
        match options.remove("label") {
            Some((_, Some(Token::Quoted(label)))) => fault = fault.labelled(label),
            Some((column, _)) => return Err(syntax(self.line, column, "label=\"…\", in quotes", "`label`")),
            None => {}
        }
        match options.first_key_value() {
            Some((key, (column, _))) => {
                let expected = format!("an option of `{kind}`, must-hit or label=\"…\"");
                Err(syntax(self.line, *column, &expected, &format!("`{key}`")))
            }
            None => Ok(Line { id, id_column, kind_column, fault }),
        }
    }

    fn id(&mut self) -> Result<Option<FaultId>, TextError> {
        let Some((column, Token::Word(word))) = self.tokens.first() else { return Ok(None) };
        let Some(digits) = word.strip_prefix('f') else { return Ok(None) };
        let id = digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let id = id.ok_or_else(|| {
            syntax(self.line, *column, "an id such as `f7`, or a start such as `12.400s`", &format!("`{word}`"))
        })?;
        self.at += 1;
        Ok(Some(FaultId(id)))
    }

    /// The targets, with the parameters still missing: those are options.
    fn targets(&mut self, kind: Kind) -> Result<Targets, TextError> {
        Ok(match kind {
            Kind::PartitionHalves | Kind::Flap => {
                let left = self.group()?;
                self.sign("|")?;
                Targets::Sides(kind, left, self.group()?)
            }
            Kind::IsolateOne => {
                let node = self.node()?;
                self.sign("|")?;
                Targets::Isolate(node, self.group()?)
            }
            Kind::Bridge => {
                let node = self.node()?;
                self.sign("|")?;
                let left = self.group()?;
                self.sign("|")?;
                Targets::Bridge(node, left, self.group()?)
            }
            Kind::OneWay => {
                let from = self.group()?;
                self.sign(">")?;
                Targets::OneWay(from, self.group()?)
            }
            Kind::LatencySpike
            | Kind::Loss
            | Kind::Duplication
            | Kind::Corruption
            | Kind::Reordering
            | Kind::Bandwidth => {
                let from = self.group()?;
                let both_ways = match self.peek() {
                    Some(Token::Sign("<>")) => true,
                    Some(Token::Sign(">")) => false,
                    _ => return Err(self.unexpected("`<>` (both ways) or `>` (one way)")),
                };
                self.at += 1;
                Targets::Links(kind, Links { from, to: self.group()?, both_ways })
            }
            Kind::PortBlock => {
                let node = self.node()?;
                let (protocol, port) = self.word("a port such as `tcp/2380`", |word| {
                    let (protocol, port) = word.split_once('/')?;
                    let protocol = match protocol {
                        "tcp" => Protocol::Tcp,
                        "udp" => Protocol::Udp,
                        _ => return None,
                    };
                    Some((protocol, port.parse().ok().filter(|_| port.bytes().all(|byte| byte.is_ascii_digit()))?))
                })?;
                let direction = self.word("`in` or `out`", |word| match word {
                    "in" => Some(Direction::In),
                    "out" => Some(Direction::Out),
                    _ => None,
                })?;
                Targets::Port(Action::PortBlock { node, port, protocol, direction })
            }
            Kind::MajorityRing
            | Kind::Crash
            | Kind::PowerLoss
            | Kind::Restart
            | Kind::GracefulStop
            | Kind::Pause
            | Kind::Slow => Targets::Nodes(kind, self.group()?),
            // The faults of a machine's parts.
            _ => Targets::Nodes(kind, self.group()?),
        })
    }

    fn action(&self, targets: Targets, options: &mut Options) -> Result<Action, TextError> {
        Ok(match targets {
            Targets::Sides(Kind::Flap, left, right) => {
                let cut = self.required(options, "cut", "a duration such as `200ms`", duration::read)?;
                let healed = self.required(options, "healed", "a duration such as `300ms`", duration::read)?;
                Action::Flap { left, right, cut, healed }
            }
            Targets::Sides(_, left, right) => Action::PartitionHalves { left, right },
            Targets::Isolate(node, others) => Action::IsolateOne { node, others },
            Targets::Bridge(node, left, right) => Action::Bridge { node, left, right },
            Targets::OneWay(from, to) => Action::OneWay { from, to },
            Targets::Links(Kind::Loss, links) => {
                let read = |word: &str| word.parse().ok();
                let probability = self.required(options, "probability", "a probability such as `5%`", read)?;
                Action::Loss { links, probability }
            }
            Targets::Links(kind, links) if kind != Kind::LatencySpike => {
                Action::Impair { links, fault: self.impairment(kind, options)? }
            }
            Targets::Links(_, links) => {
                let extra = self.required(options, "extra", "a duration such as `100ms`", duration::read)?;
                let jitter = match options.contains_key("jitter") {
                    true => self.required(options, "jitter", "a duration such as `10ms`", duration::read)?,
                    false => Duration::ZERO,
                };
                Action::LatencySpike { links, extra, jitter }
            }
            Targets::Port(action) => action,
            Targets::Nodes(kind, nodes) => match kind {
                Kind::MajorityRing => Action::MajorityRing { ring: nodes },
                Kind::PowerLoss => Action::PowerLoss { nodes },
                Kind::Restart => Action::Restart { nodes },
                Kind::GracefulStop => Action::GracefulStop { nodes },
                Kind::Pause => Action::Pause { nodes },
                Kind::Suspend => Action::Suspend { nodes },
                Kind::Slow => {
                    let factor = self.required(options, "factor", "a number such as `10`", |word| word.parse().ok())?;
                    Action::Slow { nodes, factor }
                }
                Kind::Crash => Action::Crash { nodes },
                Kind::DnsSilent => Action::Names { nodes, fault: NameFault::Silent },
                Kind::DnsUnknown => Action::Names { nodes, fault: NameFault::Unknown },
                Kind::DnsStale => {
                    let name = self.named(options, "name")?;
                    Action::Names { nodes, fault: NameFault::Stale { name, answer: self.named(options, "answer")? } }
                }
                Kind::Starve => {
                    let period = self.required(options, "period", "a duration such as `100ms`", duration::read)?;
                    let runs = self.required(options, "runs", "a duration such as `10ms`", duration::read)?;
                    Action::Starve { nodes, period, runs }
                }
                Kind::NoDescriptors => {
                    let left = self.required(options, "left", "a number such as `0`", |word| word.parse().ok())?;
                    Action::NoDescriptors { nodes, left }
                }
                Kind::NoMemory => {
                    let bytes = |options: &mut Options, key| {
                        let given = options.contains_key(key);
                        given.then(|| self.required(options, key, "bytes such as `65536`", |word| word.parse().ok()))
                    };
                    let left = bytes(options, "left").transpose()?;
                    Action::NoMemory { nodes, left, refuses: bytes(options, "refuses").transpose()? }
                }
                Kind::Upgrade => {
                    let to = self.required(options, "to", "a version such as `2`", |word| word.parse().ok())?;
                    Action::Upgrade { nodes, to }
                }
                Kind::DiskReplaced => Action::DiskReplaced { nodes },
                Kind::DiskSwap => Action::DiskSwap { nodes },
                _ => self.machine(kind, nodes, options)?,
            },
        })
    }

    fn machine(&self, kind: Kind, nodes: Vec<NodeName>, options: &mut Options) -> Result<Action, TextError> {
        if kind.family() == Family::Clock {
            let fault = self.clock(kind, options)?;
            return Ok(Action::Clock { nodes, fault });
        }
        let probability = |options: &mut Options| {
            self.required(options, "probability", "a probability such as `5%`", |word: &str| word.parse().ok())
        };
        let fault = match kind {
            Kind::DiskReadErrors => DiskFault::ReadErrors(probability(options)?),
            Kind::DiskWriteErrors => DiskFault::WriteErrors(probability(options)?),
            Kind::DiskSyncErrors => DiskFault::SyncErrors(probability(options)?),
            Kind::BitRot => DiskFault::BitRot(probability(options)?),
            Kind::MisdirectedWrites => DiskFault::MisdirectedWrites(probability(options)?),
            Kind::MisdirectedReads => DiskFault::MisdirectedReads(probability(options)?),
            Kind::LyingSync => DiskFault::LyingSync,
            Kind::DiskReadOnly => DiskFault::ReadOnly,
            Kind::DiskSpace => {
                let bytes = "a number of bytes such as `65536`";
                DiskFault::Space(self.required(options, "bytes", bytes, |word| word.parse().ok())?)
            }
            Kind::DiskSlow => {
                DiskFault::Slow(self.required(options, "factor", "a number such as `10`", |word| word.parse().ok())?)
            }
            Kind::DiskStall => {
                DiskFault::Stall(self.required(options, "extra", "a duration such as `500ms`", duration::read)?)
            }
            _ => DiskFault::Full,
        };
        Ok(Action::Disk { nodes, fault })
    }

    fn impairment(&self, kind: Kind, options: &mut Options) -> Result<LinkFault, TextError> {
        if kind == Kind::Bandwidth {
            let rate = "bytes a second such as `100000`";
            let rate = self.required(options, "rate", rate, |word| word.parse().ok())?;
            let queue = self.required(options, "queue", "bytes such as `65536`", |word| word.parse().ok())?;
            return Ok(LinkFault::Bandwidth { rate, queue });
        }
        let probability = "a probability such as `5%`";
        let probability = self.required(options, "probability", probability, |word| word.parse().ok())?;
        Ok(match kind {
            Kind::Duplication => LinkFault::Duplication(probability),
            Kind::Corruption => LinkFault::Corruption(probability),
            _ => {
                let by = self.required(options, "by", "a duration such as `5ms`", duration::read)?;
                LinkFault::Reordering { probability, by }
            }
        })
    }

    /// A node as the value of an option.
    fn named(&self, options: &mut Options, key: &str) -> Result<NodeName, TextError> {
        if let Some((_, Some(Token::Quoted(text)))) = options.get(key) {
            let name = NodeName::from(text.as_str());
            options.remove(key);
            return Ok(name);
        }
        self.required(options, key, "the name of a node", |word| is_name(word).then(|| NodeName::from(word)))
    }

    fn clock(&self, kind: Kind, options: &mut Options) -> Result<ClockFault, TextError> {
        if kind == Kind::ClockDrift {
            let ppm = self.required(options, "ppm", "millionths such as `-200`", |word| word.parse().ok())?;
            return Ok(ClockFault::Drift { ppm });
        }
        let read = |word: &str| {
            let (behind, length) = word.strip_prefix('-').map_or((false, word), |length| (true, length));
            duration::read(length).map(|by| Offset { by, behind })
        };
        let by = self.required(options, "by", "an offset such as `500ms` or `-500ms`", read)?;
        Ok(match kind {
            Kind::ClockStep => ClockFault::Step(by),
            Kind::ClockSlew => ClockFault::Slew(by),
            _ => {
                let period = self.required(options, "period", "a duration such as `50ms`", duration::read)?;
                ClockFault::Strobe { by, period }
            }
        })
    }

    fn options(&mut self) -> Result<Options, TextError> {
        let mut options = Options::new();
        while self.at < self.tokens.len() {
            let column = self.column();
            let key = self.word("an option such as must-hit or label=\"…\"", |word| Some(word.to_owned()))?;
            let value = match self.peek() {
                Some(Token::Sign("=")) => {
                    self.at += 1;
                    let value = self.peek().filter(|token| !matches!(token, Token::Sign(_))).cloned();
                    let value = value.ok_or_else(|| self.unexpected(&format!("a value of `{key}`")))?;
                    self.at += 1;
                    Some(value)
                }
                _ => None,
            };
            if options.insert(key.clone(), (column, value)).is_some() {
                return Err(syntax(self.line, column, "each option once", &format!("`{key}` again")));
            }
        }
        Ok(options)
    }

    fn required<T>(
        &self,
        options: &mut Options,
        key: &str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<T, TextError> {
        let wanted = format!("{key}= with {expected}");
        match options.remove(key) {
            Some((column, Some(Token::Word(word)))) => {
                read(&word).ok_or_else(|| syntax(self.line, column, &wanted, &format!("`{key}={word}`")))
            }
            Some((column, _)) => Err(syntax(self.line, column, &wanted, &format!("`{key}`"))),
            None => Err(syntax(self.line, self.end, &wanted, "the end of the line")),
        }
    }

    fn group(&mut self) -> Result<Vec<NodeName>, TextError> {
        let mut nodes = vec![self.node()?];
        while self.peek() == Some(&Token::Sign(",")) {
            self.at += 1;
            nodes.push(self.node()?);
        }
        Ok(nodes)
    }

    fn node(&mut self) -> Result<NodeName, TextError> {
        let name = match self.peek() {
            Some(Token::Word(word)) if is_name(word) => NodeName::from(word.as_str()),
            Some(Token::Quoted(text)) => NodeName::from(text.as_str()),
            _ => return Err(self.unexpected("a node's name, in quotes if it has signs")),
        };
        self.at += 1;
        Ok(name)
    }

    fn word<T>(&mut self, expected: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<T, TextError> {
        let value = match self.peek() {
            Some(Token::Word(word)) => read(word),
            _ => None,
        };
        let value = value.ok_or_else(|| self.unexpected(expected))?;
        self.at += 1;
        Ok(value)
    }

    fn sign(&mut self, sign: &'static str) -> Result<(), TextError> {
        if self.peek() != Some(&Token::Sign(sign)) {
            return Err(self.unexpected(&format!("`{sign}`")));
        }
        self.at += 1;
        Ok(())
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn column(&self) -> usize {
        self.tokens.get(self.at).map_or(self.end, |(column, _)| *column)
    }

    fn unexpected(&self, expected: &str) -> TextError {
        let found = self.peek().map_or_else(|| "the end of the line".to_owned(), Token::shown);
        syntax(self.line, self.column(), expected, &found)
    }
}

/// Whether a word names a node, or stands for the nodes of a trigger.
fn is_name(word: &str) -> bool {
    is_bare(word.strip_prefix('@').unwrap_or(word))
}

/// When a fault begins: by the clock, or `on:EVENT[:N][@NODE][+DELAY]`.
fn start(word: &str) -> Option<(Option<Trigger>, Duration)> {
    let Some(rest) = word.strip_prefix("on:") else { return Some((None, duration::read(word)?)) };
    let (rest, delay) = match rest.split_once('+') {
        Some((rest, delay)) => (rest, duration::read(delay)?),
        None => (rest, Duration::ZERO),
    };
    let (rest, node) = rest.split_once('@').map_or((rest, None), |(rest, node)| (rest, Some(node)));
    let (event, nth) = match rest.split_once(':') {
        Some((event, nth)) => (event, nth.parse().ok().filter(|_| nth.bytes().all(|byte| byte.is_ascii_digit()))?),
        None => (rest, 1),
    };
    let trigger = Trigger::on(event).nth(nth);
    let all_bare = is_bare(event) && node.is_none_or(is_bare);
    all_bare.then(|| (Some(node.map_or(trigger.clone(), |node| trigger.at(node))), delay))
}

/// A fault's targets, before its parameters are known.
enum Targets {
    Sides(Kind, Vec<NodeName>, Vec<NodeName>),
    Isolate(NodeName, Vec<NodeName>),
    Bridge(NodeName, Vec<NodeName>, Vec<NodeName>),
    OneWay(Vec<NodeName>, Vec<NodeName>),
    Links(Kind, Links),
    Port(Action),
    Nodes(Kind, Vec<NodeName>),
}
