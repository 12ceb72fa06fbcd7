"""What a bundle says about itself."""

from __future__ import annotations

ABOUT = """\
Support bundle of a DICOM Edge Gateway {version}, made {made}.

What is in it:
{files}

What is not in it, on purpose:
  - No objects, no treatment records, no message of a procedure step: nothing of patients is asked for.
  - No instance UIDs. Objects and messages are named by their number in the journal.
  - No words of peers and of people: in every text, what the program itself does not use and the
    configuration does not name is replaced by a placeholder: [w1] words, [n1] numbers, [uid1] UIDs. The same
    placeholder stands for the same word throughout this bundle. {replaced} were replaced.
  - No keys, passwords or mail addresses, and no comments of the configuration.
  - Not who did something, only what was done: [person1] stands for somebody.

What stays, because nobody could help without it: host names, network addresses, AE titles and names from the
configuration, the public facts of certificates, and the times at which objects came.
"""

WORDS_OF = {
    "README.txt": "What this bundle is, and what was taken out of it.",
    "machine.txt": "How the machine is, in words.",
    "machine.json": "The readings behind that: versions, disks, clock, memory, temperature, network.",
    "status.json": "Destinations, links, spool and listeners.",
    "deliveries.json": "The first 500 deliveries: counts, and their states by number.",
    "held.json": "What is held, by destination and cause.",
    "steps.json": "Queued messages of procedure steps: counts, and their states by number.",
    "commitments.json": "Storage commitment: counts, and states by number.",
    "associations.json": "Associations that were open.",
    "peers.json": "Peers: last contact, and what they accept.",
    "routes.json": "Who may call what.",
    "links.json": "The ways to all peers.",
    "budget.json": "The data of the month.",
    "trends.json": "How each link was in the last month.",
    "configuration.json": "The configuration without secrets and comments.",
    "certificates.json": "Public facts of the certificates.",
    "audit.json": "How often what was done, and whether the audit trail is whole.",
    "log.txt": "The last lines of the log.",
    "metrics.txt": "The metrics, as Prometheus gets them.",
    "api.json": "Version of the operator API.",
}
