//! What `--help` adds to each command: what it does, its exit codes, and examples.

pub(in crate::cli::audit) const QUERY_HELP: &str = "\
Reads the journal from its end, changes nothing, and proves nothing: audit verify does. It may be done while
the gateway runs. What a failed write has left behind is passed over, and so is a last line that is not whole.
A record may be told a moment before it is on the disk. Lines that are no records, as far as it comes across them,
are counted on stderr, with the place of the first; the exit code stays the same.

Without --json each record is a line: time, number, kind, status/outcome/code, principal, operation, customer,
transfer, ID; - stands for what a record does not have.

Exit codes:
  0  told, also where no record is as asked
  2  the journal could not be read; also a command line that is not understood

Examples:
  partner-gateway audit query --config gateway.yaml --transfer ac4a9d22-ba07-444e-890f-cfe084eed498
  partner-gateway audit query --dir /var/lib/partner-gateway/audit --outcome failed --since 2026-03-01T00:00:00Z --all --json";

pub(in crate::cli::audit) const TAIL_HELP: &str = "\
Reads the journal and changes nothing; it may be done while the gateway runs. --follow goes on over the ends of
segments and restarts of the gateway. A record may be told a moment before it is on the disk. Lines that are no
records are told of on stderr, with their place; the exit code stays the same.

Without --json each record is a line: time, number, kind, status/outcome/code, principal, operation, customer,
transfer, ID; - stands for what a record does not have.

Exit codes:
  0  told; also when the reader of stdout has gone
  2  the journal could not be read; also a command line that is not understood

Examples:
  partner-gateway audit tail --config gateway.yaml -n 50
  partner-gateway audit tail --dir /var/lib/partner-gateway/audit --follow --outcome refused --json";

pub(in crate::cli::audit) const VERIFY_HELP: &str = "\
Reads the whole journal and changes nothing; it may be done while the gateway runs. What stands behind the
last record and is no record yet, because it is being written or the process was killed, is no damage.

A signature proves as much as the key is safe: give the public key by --key from where whoever can write
the journal cannot. Where the key was replaced, give the public key of each that signed: each checkpoint is checked
with the key that it names, and told is which key vouches for which records. Records behind the last checkpoint can be removed without a trace in the journal; only
a later checkpoint that was kept elsewhere, given by --checkpoint, tells.

With --against, the copy of the journal that a sink has (nats, postgres) is read, too, from end to end, and held
against it line by line. Told are records that differ, those that the journal lacks at its end (it was cut off or
restored), those that the sink was delivered and lacks, repeats, and what the gateway did not write; the copy's own
chain and checkpoints are checked. What the sink has not acknowledged yet is told, and is no damage. So are other
journals that it has. A journal that ended, because a sink had what the disk had not, is kept under ended/ and only
named; give it by --dir, with --config for its key and for --against.

With --all, several journals are verified: those of every --dir, that of --config if it is there, and all that the
sink of --against has. Gateways with cluster.nats write down what they hear of each other's checkpoints: each of these
witness records must name a line that the other journal has. Told are journals that others have witnessed and that are
not given, with the last that is known of them; those that have another line, or end before what was witnessed; those
that a witness saw fall back; and one journal in two directories. Where gateways have keys of their own, give each by
--key. Takes some hundred bytes of memory for each checkpoint.

Results go to stdout, everything else to stderr.

Exit codes:
  0  intact; with --against, the sink has the same; with --all, all are, and none is missing
  1  not intact; the first bad record is told, with its file, its offset and what to do; with --against, also any
     difference; with --all, also a journal that is missing or stands there twice
  2  the journal, the key, the checkpoint, the evidence or the sink could not be read; also a command line that is not
     understood

With --evidence, a document that `audit evidence` made is checked with nothing else at hand: its signature, the
chain of its lines, and their checkpoints. Without --key it is checked with the key that it carries, which shows
that nothing was changed since it was made, but not who made it.

Examples:
  partner-gateway audit verify --config gateway.yaml
  partner-gateway audit verify --config gateway.yaml --key audit.pub --against central
  partner-gateway audit verify --config gateway.yaml --key old.pub --key new.pub
  partner-gateway audit verify --config gateway.yaml --all --against central --key gateway-0.pub --key gateway-1.pub
  partner-gateway audit verify --all --dir /mnt/gateway-0/audit --dir /mnt/gateway-1/audit
  partner-gateway audit verify --config gateway.yaml --dir audit/ended/JOURNAL --against central
  partner-gateway audit verify --evidence transfer.json --key audit.pub
  partner-gateway audit verify --dir /var/lib/partner-gateway/audit --key audit.pub --checkpoint last.jsonl --json";

pub(in crate::cli::audit) const EVIDENCE_HELP: &str = "\
Reads and verifies the whole journal first, also while the gateway runs, and changes nothing. Of a journal that
is not intact there is no evidence. Where the key was replaced, give the public key of each former one by --key; the
document carries them.

The document shows the records of OTHER calls, too: every line from a record of the transfer up to the next
checkpoint, at most audit.checkpoint_interval later, and the checkpoint before them. The chain hashes whole
lines, so it can be followed only over lines that are shown. Look who may see them before you hand it over.

The document is one JSON object: statement, a JSON text with the lines as they stand in the journal, and
signature, Ed25519 over three lines: partner-gateway/evidence/v1, the journal, and the SHA-256 of the statement.
Records behind the last checkpoint are in it, marked as not signed yet: wait for the next checkpoint, or stop the
gateway, and ask again. --out never replaces a file.

Exit codes:
  0  written
  1  no record names the transfer, or the journal is not intact; there is no document
  2  the journal, the key or the configuration could not be read, or the document could not be written; also a
     command line that is not understood

Example:
  partner-gateway audit evidence --config gateway.yaml --transfer 1c1bd5b4-3fd7-4f1b-9e4b-ec4a5d47dcaf \\
    --out transfer.json";

pub(in crate::cli::audit) const RECONCILE_HELP: &str = "\
Lists two kinds of calls. In doubt are those whose outcome says `forwarded: unknown`: something was sent, and
nobody could tell afterwards whether Partner Center did it. Open are those with an intent and no outcome: a gateway
that runs is about to answer them, or else closes them at its next start. Each is told with the request_ids
that were sent, where that is known, and else with all that it may have used; Microsoft finds it by these. A call in doubt is settled when a later record tells the transfer's state.

Changes nothing and asks Partner Center nothing; it may be done while the gateway runs. To settle a call, read
the transfer through the gateway: GET /transfers/{customer}/{transfer}.

With --since, which wants --config, Partner Center is asked, through the account and with a token had as the gateway has its own: what it has
on record of transfers is held against the rejections of the journal. Told are how many are in both, and one by one
those that are
  only ours    the journal says that they were done, or may have been, and Partner Center does not have them
  only theirs  somebody rejected a transfer past the gateway, or the journal says that the call did not
  not covered  of a time before the journal begins, or before what retention has left of it
A gateway with replicas has as many journals: give the others by --replica. A call of the last 15 minutes may be only
ours because Partner Center does not show it yet.

Exit codes:
  0  none is open, and none in doubt that is not settled; with --since, all are in both
  1  some are; with --since, any difference, what is not covered included
  2  the journal or the configuration could not be read, or the journal is not intact; with --since, Partner Center's
     records could not be had as a whole; also a command line that is not understood

Examples:
  partner-gateway audit reconcile --config gateway.yaml --json
  partner-gateway audit reconcile --config gateway.yaml --since 30d --account contoso --replica /mnt/replica-1/audit";

pub(in crate::cli::audit) const REDELIVER_HELP: &str = "\
A record that a sink refuses for good is set aside, with its line, in audit.dir/refused/NAME.jsonl, and the others go on.
Once the sink takes more (a column was widened, a limit raised), this sends those records again, one by one, and removes
from there what the sink has acknowledged. What it refuses again stays. A line that is not the journal's is not sent.

It may be done while the gateway runs, which goes on setting records aside, and more than once: a record that was taken
just before a kill is sent again, and the sink knows it by its ID. Records may be out of their order in the sink then;
their seq says where they belong.

A sink of the kind nats refuses no record for good, and takes them in the journal's order alone: it is held instead,
and nothing of it is set aside. Nor is anything of stdout.

Exit codes:
  0  every record was taken, also where none is set aside
  1  some were refused again, or not sent
  2  it stopped at a setback, which is told, or nothing could be sent; also a command line that is not understood

Examples:
  partner-gateway audit redeliver --config gateway.yaml --sink central
  partner-gateway audit redeliver --config gateway.yaml --sink central --from 4711 --to 4800 --json";

pub(in crate::cli::audit) const KEY_HELP: &str = "\
Reads the private key that the gateway signs with, and prints its public half; the private one is never shown.
Keep the public key where whoever can write the journal cannot change it, and give it to whoever verifies. Keep it
before the key is replaced, too: what it signed is verified with it for as long as the journal is kept.

--json prints key_id, as checkpoints name it, algorithm, public_key in PEM, and raw, its 32 bytes in base64.

Exit codes:
  0  printed
  2  the key or the configuration could not be read; also a command line that is not understood

Example:
  partner-gateway audit key --config gateway.yaml > audit.pub
  partner-gateway audit verify --dir /backup/audit --key audit.pub";
