"""The DICOM protocol as bytes in, events out: nothing here opens a socket, reads a clock or a file, or logs.

- `upper_layer.UpperLayer`: one association's PS3.8 state machine, for either role.
- `state_table`: PS3.8 Table 9-10 as data.
- `pdu`, `associate_pdu`: the seven PDUs as bytes.
- `events`: what the upper layer tells its owner.
- `negotiation`: what is proposed and answered, and the pure function between the two.
- `command`, `messages`, `dimse`: PS3.7 command sets, a builder per message, and the reassembly of messages.
- `part10`: the file header we put before a data set, and reading it back.
- `sop_classes`, `status`: names and classification.

Glossary: a *PDU* is a protocol data unit of PS3.8; a *PDV* is a presentation data value, one fragment of a
command or of a data set inside a P-DATA-TF PDU; a *presentation context* is a numbered pair of abstract
syntax and transfer syntax; *SCU* and *SCP* are the user and the provider of a service; the *requestor*
opened the association and the *acceptor* answered it, whichever of them is SCU.
"""
