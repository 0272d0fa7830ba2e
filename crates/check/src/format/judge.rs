//! From a file to a judgement: which reader, which model, and what is told of the result.

use super::{self as format, CheckOptions, EtcdReport, Format, FormatError, ModelName, Notation, Place};
use super::{etcd_judge, read_porcupine_kv};
use crate::history::History;
use crate::linear::{Linearizability, linearizability};
use crate::model::{
    AppendLog, Bank, BlockDevice, CasRegister, Counter, Etcd, FifoQueue, Kv, Lock, Model, Semaphore, Set, Stack,
    StaleRegister,
};
use crate::picture;
use crate::txn::{Anomaly, Isolation, Transactions, isolation};
use crate::verdict::Verdict;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;

/// What was found out about a history file.
#[derive(Clone, Debug, Serialize)]
pub struct Judgement {
    /// The answer.
    pub verdict: Verdict,
    /// The model it was held against.
    pub model: &'static str,
    /// The format it was read as.
    pub format: &'static str,
    /// How many operations it has.
    pub operations: usize,
    /// Into how many parts it was split.
    pub parts: usize,
    /// Questions put to the model by the search.
    pub steps: u64,
    /// Of a pass: for each part an order of its operations, by id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<Vec<u32>>,
    /// Of transactions: what was found, whatever the level asked for.
    pub anomalies: Vec<Anomaly>,
    /// Of transactions: the strongest level that nothing contradicts.
    pub strongest: Option<Isolation>,
    /// The picture asked for, as an HTML file.
    #[serde(skip)]
    pub picture: Option<String>,
}

impl Judgement {
    /// Of a check of linearizability, with the verdict that came of it.
    pub(super) fn of(
        verdict: Verdict,
        found: Linearizability,
        (model, format, operations): (&'static str, Format, usize),
        picture: Option<String>,
    ) -> Self {
        let orders = found.certificate.map_or_else(Vec::new, |certificate| certificate.orders);
        Judgement {
            verdict,
            model,
            format: format.as_str(),
            operations,
            parts: found.parts,
            steps: found.steps,
            orders: orders.into_iter().map(|order| order.into_iter().map(|id| id.0).collect()).collect(),
            anomalies: Vec::new(),
            strongest: None,
            picture,
        }
    }
}

/// Judges the history in the file at `path`, or etcd's report in the folder there.
///
/// # Errors
/// The file cannot be read, or is no history of that model; with line and column where there is one.
pub fn judge_file(path: &Path, model: ModelName, options: CheckOptions) -> Result<Judgement, FormatError> {
    let file = path.display().to_string();
    if path.is_dir() {
        let report = format::read_etcd_folder(path)?;
        if model != ModelName::Etcd {
            return Err(FormatError::WrongModel {
                file,
                format: Format::EtcdReport,
                asked: model,
                holds: ModelName::Etcd,
            });
        }
        return Ok(format::judge_etcd(&file, &report, &options));
    }
    let bytes = std::fs::read(path).map_err(|source| FormatError::Unreadable { file: file.clone(), source })?;
    judge_text(&file, &text_of(&file, bytes)?, model, options)
}

/// A file's bytes as text.
pub(super) fn text_of(file: &str, bytes: Vec<u8>) -> Result<String, FormatError> {
    let file = file.to_owned();
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(error) => {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
            let column = good.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
            let reason = "this is not UTF-8, expected text".to_owned();
            Err(FormatError::Line { place: Place { file, line, column }, reason })
        }
    }
}

/// Judges a text at hand. `name` stands for it in errors.
///
/// # Errors
/// The text is no history of that model.
pub fn judge_text(name: &str, text: &str, model: ModelName, options: CheckOptions) -> Result<Judgement, FormatError> {
    let Some(format) = options.format.or_else(|| Format::guess(text)) else {
        let line = text.lines().position(|line| !line.trim().is_empty()).unwrap_or(0) + 1;
        return Err(FormatError::Unrecognised { place: Place { file: name.to_owned(), line, column: 1 } });
    };
    let register = CasRegister { initial: options.objects.initial.clone() };
    let kv = Kv { initial: options.objects.initial.clone(), revisions: options.revisions };
    let file = File { name, text, format, options };
    match (format, model) {
        (Format::JsonLines, ModelName::Kv) => file.json(&kv),
        (Format::JsonLines, ModelName::CasRegister) => file.json(&register),
        (Format::JsonLines, ModelName::Queue) => file.json(&FifoQueue),
        (Format::JsonLines, ModelName::Stack) => file.json(&Stack),
        (Format::JsonLines, ModelName::Set) => file.json(&Set),
        (Format::JsonLines, ModelName::Counter) => file.json(&Counter),
        (Format::JsonLines, ModelName::Lock) => file.json(&Lock),
        (Format::JsonLines, ModelName::Log) => file.json(&AppendLog),
        (Format::JsonLines, ModelName::Semaphore) => file.json(&file.semaphore()?),
        (Format::JsonLines, ModelName::Bank) => file.json(&file.bank()?),
        (Format::JsonLines, ModelName::StaleRegister) => file.json(&file.stale_register()?),
        (Format::JsonLines, ModelName::BlockDevice) => file.device(),
        (Format::JsonLines, ModelName::Etcd) => {
            let operations = History::read_json_lines(name, text, Etcd::NAME)?;
            let report = EtcdReport { operations, ..EtcdReport::default() };
            Ok(etcd_judge::judged(name, &report, format, &file.options))
        }
        (Format::JsonLines, ModelName::ListAppend | ModelName::RwRegister) => {
            Ok(file.transactions(model, &History::read_json_lines(name, text, model.as_str())?))
        }
        (Format::PorcupineKv, ModelName::Kv) => {
            let (kv, history) = read_porcupine_kv(name, text)?;
            Ok(file.judge(&kv, &history))
        }
        (Format::Edn | Format::JepsenLog, _) => file.jepsen(&kv, &register, model),
        (Format::EtcdReport, ModelName::Etcd) => {
            let report = format::read_etcd_report(name, text)?;
            Ok(format::judge_etcd(name, &report, &file.options))
        }
        (Format::EtcdReport, _) => file.holds(model, ModelName::Etcd),
        (Format::PorcupineKv, _) => file.holds(model, ModelName::Kv),
    }
}

struct File<'a> {
    name: &'a str,
    text: &'a str,
    format: Format,
    options: CheckOptions,
}

impl File<'_> {
    fn holds<T>(&self, asked: ModelName, holds: ModelName) -> Result<T, FormatError> {
        Err(FormatError::WrongModel { file: self.name.to_owned(), format: self.format, asked, holds })
    }

    fn jepsen(&self, kv: &Kv, register: &CasRegister, model: ModelName) -> Result<Judgement, FormatError> {
        let (name, text) = (self.name, self.text);
        let notation = if self.format == Format::Edn { Notation::Edn } else { Notation::Log };
        Ok(match model {
            ModelName::Kv => self.judge(kv, &format::read_jepsen_kv(name, text, notation)?),
            ModelName::CasRegister => self.judge(register, &format::read_jepsen_register(name, text, notation)?),
            ModelName::Queue => self.judge(&FifoQueue, &format::read_jepsen_queue(name, text, notation)?),
            ModelName::Stack => self.judge(&Stack, &format::read_jepsen_queue(name, text, notation)?),
            ModelName::Set => self.judge(&Set, &format::read_jepsen_set(name, text, notation)?),
            ModelName::Counter => self.judge(&Counter, &format::read_jepsen_counter(name, text, notation)?),
            ModelName::Lock => self.judge(&Lock, &format::read_jepsen_lock(name, text, notation)?),
            ModelName::ListAppend | ModelName::RwRegister => {
                let lists = model == ModelName::ListAppend;
                self.transactions(model, &format::read_jepsen_transactions(name, text, notation, lists)?)
            }
            ModelName::Semaphore => {
                self.judge(&self.semaphore()?, &format::read_jepsen_semaphore(name, text, notation)?)
            }
            ModelName::Bank => self.judge(&self.bank()?, &format::read_jepsen_bank(name, text, notation)?),
            ModelName::StaleRegister => {
                self.judge(&self.stale_register()?, &format::read_jepsen_stale(name, text, notation)?)
            }
            ModelName::Log | ModelName::BlockDevice | ModelName::Etcd => {
                let (file, format) = (name.to_owned(), self.format);
                return Err(FormatError::NoSuchForm { file, format, asked: model });
            }
        })
    }

    fn unsaid<T>(&self, said: Option<T>, model: ModelName, option: &'static str) -> Result<T, FormatError> {
        said.ok_or(FormatError::Unsaid { model, option })
    }

    fn semaphore(&self) -> Result<Semaphore, FormatError> {
        let permits = self.unsaid(self.options.objects.permits, ModelName::Semaphore, "--permits N")?;
        Ok(Semaphore { permits })
    }

    fn stale_register(&self) -> Result<StaleRegister, FormatError> {
        let versions = self.unsaid(self.options.objects.versions, ModelName::StaleRegister, "--versions N")?;
        Ok(StaleRegister { versions })
    }

    fn bank(&self) -> Result<Bank, FormatError> {
        let accounts = Some(self.options.objects.accounts.clone()).filter(|accounts| !accounts.is_empty());
        let accounts = self.unsaid(accounts, ModelName::Bank, "--account NAME=AMOUNT, for every account")?;
        Ok(Bank { accounts })
    }

    fn device(&self) -> Result<Judgement, FormatError> {
        let model = BlockDevice { tears: self.options.objects.tears };
        let history = History::read_json_lines(self.name, self.text, ModelName::BlockDevice.as_str())?;
        if !self.options.objects.sector_by_sector {
            return Ok(self.judge(&model, &history));
        }
        let split = BlockDevice::sector_by_sector(&history).map_err(|error| {
            let place = Place { file: self.name.to_owned(), line: 1, column: 1 };
            FormatError::Line { place, reason: error.to_string() }
        })?;
        Ok(self.judge(&model, &split))
    }

    fn json<M>(&self, model: &M) -> Result<Judgement, FormatError>
    where
        M: Model<Op: DeserializeOwned, Ret: DeserializeOwned>,
    {
        Ok(self.judge(model, &History::read_json_lines(self.name, self.text, M::NAME)?))
    }

    fn judge<M: Model>(&self, model: &M, history: &History<M::Op, M::Ret>) -> Judgement {
        let found = linearizability(model, history, self.options.budget);
        let describe = |op: &M::Op, ret: Option<&M::Ret>| model.describe(op, ret);
        let picture = self
            .options
            .picture
            .then(|| picture::draw(self.name, history, &found.verdict, found.certificate.as_ref(), describe));
        Judgement::of(found.verdict.clone(), found, (M::NAME, self.format, history.len()), picture)
    }

    fn transactions(&self, model: ModelName, history: &Transactions) -> Judgement {
        let found = isolation(history);
        let verdict = found.verdict(history, self.options.isolation);
        let picture = self.options.picture.then(|| {
            picture::draw(self.name, history, &verdict, None, |asked, told| crate::txn::words(told.unwrap_or(asked)))
        });
        Judgement {
            verdict,
            model: model.as_str(),
            format: self.format.as_str(),
            operations: history.len(),
            parts: 1,
            steps: 0,
            orders: Vec::new(),
            anomalies: found.anomalies,
            strongest: found.strongest,
            picture,
        }
    }
}
