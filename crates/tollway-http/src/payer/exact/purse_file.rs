//! The purse in a file: JSON lines, each durable before what it says happens. Several programs may
//! share it: whoever signs holds the file's lock while it looks at the ceilings and writes.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use parking_lot::Mutex;
use tollway_core::buyer::exact::{Ceilings, Payment, Purse, PurseLine, PurseLog, Signed, Spending};
use tollway_ledger::Fingerprint;
use tollway_protocol::{Amount, Reason, Refusal};

/// Longest line that is read: a payment header with room.
const LINE_MAX: u64 = 64 * 1024;

/// A purse in a file.
pub struct PurseFile {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    file: File,
    purse: Purse,
    /// Up to where the file was read.
    read: u64,
}

impl PurseFile {
    /// Opens a purse, making it where there is none, readable by its owner only.
    ///
    /// # Errors
    /// When the file cannot be opened, locked or read, or a whole line of it is no line of a purse.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).append(true).read(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let state = State { file: options.open(path)?, purse: Purse::default(), read: 0 };
        let purse = Self { path: path.to_path_buf(), state: Mutex::new(state) };
        purse.locked(|_| Ok(())).map_err(|refusal| io::Error::other(refusal.detail.into_owned()))?;
        Ok(purse)
    }

    /// Whether one more payment is within the ceilings.
    ///
    /// # Errors
    /// `over_max_price`, `budget_exhausted`, or `journal_unavailable`.
    pub fn allows(&self, ceilings: &Ceilings, host: &str, price: Amount, now: u64) -> Result<(), Refusal> {
        self.locked(|state| state.purse.allows(ceilings, host, price, now))
    }

    /// Writes a signed payment down, if the ceilings still allow it and nothing else was signed for
    /// the same purchase meanwhile.
    ///
    /// # Errors
    /// As [`allows`](Self::allows), or `replay_pending` for a purchase under way elsewhere.
    pub fn commit(&self, ceilings: &Ceilings, signed: Signed, now: u64) -> Result<(), Refusal> {
        self.locked(|state| {
            state.purse.admits(ceilings, &signed, now)?;
            state.write(PurseLine::Signed(Box::new(signed)))
        })
    }

    /// Writes down what became of a payment.
    ///
    /// # Errors
    /// `journal_unavailable`.
    pub fn record(&self, line: PurseLine) -> Result<(), Refusal> {
        self.locked(|state| state.write(line))
    }

    /// The open payment of a purchase.
    ///
    /// # Errors
    /// `journal_unavailable`.
    pub fn open_payment(&self, purchase: &Fingerprint) -> Result<Option<Signed>, Refusal> {
        self.locked(|state| Ok(state.purse.open_payment(purchase).map(|open| open.signed.clone())))
    }

    /// Every payment, oldest first.
    ///
    /// # Errors
    /// `journal_unavailable`.
    pub fn payments(&self) -> Result<Vec<Payment>, Refusal> {
        self.locked(|state| Ok(state.purse.payments().into_iter().cloned().collect()))
    }

    /// What was spent in the UTC day of `now`.
    ///
    /// # Errors
    /// `journal_unavailable`.
    pub fn spending(&self, now: u64) -> Result<Spending, Refusal> {
        self.locked(|state| Ok(state.purse.spending(now, |_| true)))
    }

    /// Runs `work` while no other program writes, with everything read that others have written.
    fn locked<T>(&self, work: impl FnOnce(&mut State) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let mut state = self.state.lock();
        state.file.lock().map_err(|error| self.unavailable(&error))?;
        let caught_up = state.catch_up().map_err(|error| self.unavailable(&error));
        let outcome = caught_up.and_then(|()| work(&mut state));
        let unlocked = state.file.unlock().map_err(|error| self.unavailable(&error));
        let value = outcome?;
        unlocked?;
        Ok(value)
    }

    fn unavailable(&self, error: &io::Error) -> Refusal {
        Refusal::new(Reason::JournalUnavailable, format!("the purse {}: {error}", self.path.display()))
    }
}

#[async_trait]
impl PurseLog for PurseFile {
    async fn allows(&self, ceilings: &Ceilings, host: &str, price: Amount, now: u64) -> Result<(), Refusal> {
        self.allows(ceilings, host, price, now)
    }

    async fn commit(&self, ceilings: &Ceilings, signed: Signed, now: u64) -> Result<(), Refusal> {
        self.commit(ceilings, signed, now)
    }

    async fn record(&self, line: PurseLine) -> Result<(), Refusal> {
        self.record(line)
    }

    async fn open_payment(&self, purchase: &Fingerprint) -> Result<Option<Signed>, Refusal> {
        self.open_payment(purchase)
    }

    async fn payments(&self) -> Result<Vec<Payment>, Refusal> {
        self.payments()
    }

    async fn spending(&self, host: Option<&str>, now: u64) -> Result<Spending, Refusal> {
        self.locked(|state| Ok(state.purse.spending(now, |signed| host.is_none_or(|host| signed.host == host))))
    }
}

impl State {
    /// Reads what other programs have added. A last line without an end is a write that a crash cut
    /// short: nothing was sent for it, and it is taken out.
    fn catch_up(&mut self) -> io::Result<()> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(self.read))?;
        let mut reader = BufReader::new(file);
        let mut text = Vec::new();
        loop {
            text.clear();
            let length = (&mut reader).take(LINE_MAX).read_until(b'\n', &mut text)?;
            if text.last() != Some(&b'\n') {
                if length > 0 {
                    self.file.set_len(self.read)?;
                }
                return Ok(());
            }
            let line = serde_json::from_slice(&text).map_err(|error| {
                let detail = format!("at byte {}: {error}", self.read);
                io::Error::new(io::ErrorKind::InvalidData, detail)
            })?;
            self.purse.add(line);
            self.read += u64::try_from(length).unwrap_or(u64::MAX);
        }
    }

    fn write(&mut self, line: PurseLine) -> Result<(), Refusal> {
        let mut text = serde_json::to_vec(&line).expect("a line of the purse is plain data");
        text.push(b'\n');
        self.file.write_all(&text).and_then(|()| self.file.sync_data()).map_err(|error| {
            Refusal::new(Reason::JournalUnavailable, format!("the purse cannot be written: {error}"))
        })?;
        self.read += u64::try_from(text.len()).unwrap_or(u64::MAX);
        self.purse.add(line);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tollway_ledger::PaymentId;
    use tollway_protocol::{Asset, Network};

    use super::*;

    const NOON: u64 = 1_795_348_800;

    fn signed(number: u64) -> Signed {
        let network: Network = "eip155:84532".parse().unwrap();
        let asset: Asset = "0xab".parse().unwrap();
        let mut nonce = [0; 32];
        nonce[..8].copy_from_slice(&number.to_be_bytes());
        Signed {
            at: NOON,
            payment: PaymentId::derive(&network, &asset, "0x01", &nonce),
            purchase: Fingerprint::of("GET", &format!("https://a.example/{number}"), ""),
            host: "a.example".to_owned(),
            method: "GET".to_owned(),
            url: format!("https://a.example/{number}"),
            network,
            asset,
            amount: Amount::new(1),
            price: Amount::new(1),
            pay_to: "0x02".to_owned(),
            payer: "0x01".to_owned(),
            expires: NOON + 300,
            version: 2,
            header: "e30=".to_owned(),
            commitment: None,
        }
    }

    fn ceilings(units: u128) -> Ceilings {
        let units = Amount::new(units);
        Ceilings { per_payment: units, per_host: units, per_day: units, assets: Vec::new() }
    }

    #[test]
    fn threat_27_several_programs_on_one_purse_never_pass_the_ceiling() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("purse.jsonl");
        let signed_in_all: usize = std::thread::scope(|scope| {
            let programs: Vec<_> = (0..4_u64)
                .map(|program| {
                    let path = &path;
                    scope.spawn(move || {
                        // Each has its own handle, as a process of its own would.
                        let purse = PurseFile::open(path).unwrap();
                        let wanted = (0..25).map(|number| signed(program * 25 + number));
                        wanted.filter(|signed| purse.commit(&ceilings(10), signed.clone(), NOON).is_ok()).count()
                    })
                })
                .collect();
            programs.into_iter().map(|program| program.join().unwrap()).sum()
        });
        assert_eq!(signed_in_all, 10);
        let purse = PurseFile::open(&path).unwrap();
        assert_eq!(purse.spending(NOON).unwrap().held, Amount::new(10));
    }

    #[test]
    fn one_purchase_is_signed_for_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("purse.jsonl");
        let (one, two) = (PurseFile::open(&path).unwrap(), PurseFile::open(&path).unwrap());
        one.commit(&ceilings(10), signed(1), NOON).unwrap();
        let again = Signed { payment: signed(2).payment, ..signed(1) };
        assert_eq!(two.commit(&ceilings(10), again, NOON).unwrap_err().reason, Reason::ReplayPending);
        assert_eq!(two.open_payment(&signed(1).purchase).unwrap(), Some(signed(1)));
    }

    #[test]
    fn a_line_cut_by_a_crash_is_taken_out_and_a_damaged_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("purse.jsonl");
        PurseFile::open(&path).unwrap().commit(&ceilings(10), signed(1), NOON).unwrap();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [whole.as_slice(), &whole[..40]].concat()).unwrap();
        let purse = PurseFile::open(&path).unwrap();
        purse.commit(&ceilings(10), signed(2), NOON).unwrap();
        assert_eq!(PurseFile::open(&path).unwrap().payments().unwrap().len(), 2);
        std::fs::write(&path, [b"nonsense\n", whole.as_slice()].concat()).unwrap();
        let error = PurseFile::open(&path).err().unwrap().to_string();
        assert!(error.contains("at byte 0"), "{error}");
    }
}
