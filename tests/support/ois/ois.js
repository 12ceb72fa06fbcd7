'use strict';
// An oncology information system as tests need one: SCP of Unified Procedure Step (also the retired trial
// classes), Modality Performed Procedure Step, RT Machine Verification, Substance Administration, Instance
// Availability, a private SOP class, and Storage. It shares no code with the gateway.
//
// `node ois.js PORT` says one JSON value per line: {"event":"ready"}, {"event":"association",...},
// {"event":"request","field","sop_class","instance","type","digest","size","status",...} when a request has been
// dealt with, {"event":"answered","status"} for the answer to one of its own N-EVENT-REPORTs, and {"event":"end"}.
// A line "reset" on standard input makes it forget everything, "store 0xA700" makes that the answer to each
// C-STORE; it ends with its standard input.

const { createHash } = require('node:crypto');
const { createInterface } = require('node:readline');
const { Dataset, Scp, Server, constants, log, requests, responses } = require('dcmjs-dimse');

const { PresentationContextResult: Result, Status, TransferSyntax } = constants;

const UPS = { push: '1.2.840.10008.5.1.4.34.6.1', event: '1.2.840.10008.5.1.4.34.6.4' };
const TRIAL = { push: '1.2.840.10008.5.1.4.34.4.1', event: '1.2.840.10008.5.1.4.34.4.4' };
const EVERY_STEP = '1.2.840.10008.5.1.4.34.5'; // the well-known instance for a subscription to all (CC.2.3)

const SERVED = new Set([
  '1.2.840.10008.1.1',
  UPS.push,
  '1.2.840.10008.5.1.4.34.6.2', // watch
  '1.2.840.10008.5.1.4.34.6.3', // pull
  UPS.event,
  '1.2.840.10008.5.1.4.34.6.5', // query
  TRIAL.push,
  TRIAL.event,
  '1.2.840.10008.5.1.4.34.4.2', // trial watch
  '1.2.840.10008.5.1.4.34.4.3', // trial pull
  '1.2.840.10008.3.1.2.3.3', // modality performed procedure step
  '1.2.840.10008.3.1.2.3.4', // its retrieval
  '1.2.840.10008.5.1.4.34.8', // RT conventional machine verification
  '1.2.840.10008.5.1.4.34.9', // RT ion machine verification
  '1.2.840.10008.1.42', // substance administration logging
  '1.2.840.10008.5.1.4.41', // product characteristics query
  '1.2.840.10008.5.1.4.42', // substance approval query
  '1.2.840.10008.5.1.4.33', // instance availability notification
  '1.2.826.0.1.3680043.10.9999.1', // private
  '1.2.840.10008.5.1.4.1.1.481.4', // RT beams treatment record
]);
const SYNTAXES = [TransferSyntax.ExplicitVRLittleEndian, TransferSyntax.ImplicitVRLittleEndian];

const FINAL = ['COMPLETED', 'CANCELED'];
const DONE = { COMPLETED: 0xb306, CANCELED: 0xb304 };
const WRONG_TRANSACTION = 0xc301;
const ALREADY_IN_PROGRESS = 0xc302;
const NO_SUCH_STEP = 0xc307;
const NOT_IN_PROGRESS = 0xc310;
const MAY_NOT_CHANGE = 0xc300;

let instances = new Map(); // SOP Instance UID -> { sopClass, elements, transaction }
let numbered = 0;
let storeStatus = Status.Success;

function say(event, facts) {
  process.stdout.write(`${JSON.stringify({ event, ...facts })}\n`);
}

function isStep(sopClass) {
  return sopClass.startsWith('1.2.840.10008.5.1.4.34.6.') || sopClass.startsWith('1.2.840.10008.5.1.4.34.4.');
}

class Ois extends Scp {
  constructor(socket, options) {
    super(socket, options);
    this.subscriptions = new Map(); // instance, or EVERY_STEP -> family of UPS classes
    this.raw = createHash('sha256');
    this.size = 0;
    this.on('close', () => say('end', {}));
    socket.setNoDelay(true);
  }

  // The bytes of a data set as they came: the library itself keeps only what it understood.
  async _processPDataTf(pdata) {
    for (const pdv of pdata.getPdvs()) {
      if (pdv.isCommand()) {
        this.raw = createHash('sha256');
        this.size = 0;
      } else {
        this.raw.update(pdv.getValue());
        this.size += pdv.getValue().length;
      }
    }
    await super._processPDataTf(pdata);
  }

  associationRequested(association) {
    for (const { context } of association.getPresentationContexts()) {
      if (!SERVED.has(context.getAbstractSyntaxUid())) {
        context.setResult(Result.RejectAbstractSyntaxNotSupported);
        continue;
      }
      const syntax = SYNTAXES.find((uid) => context.getTransferSyntaxUids().includes(uid));
      if (syntax) {
        context.setResult(Result.Accept, syntax);
      } else {
        context.setResult(Result.RejectTransferSyntaxesNotSupported);
      }
    }
    say('association', {
      calling: association.getCallingAeTitle(),
      called: association.getCalledAeTitle(),
    });
    this.sendAssociationAccept();
  }

  associationReleaseRequested() {
    this.sendAssociationReleaseResponse();
  }

  abort() {}

  // Say what came, answer it; `events` are N-EVENT-REPORTs for this association.
  answer(request, response, callback, status, { data, events = [], eventsFirst = false } = {}) {
    const command = request.getCommandDataset();
    response.setStatus(status);
    if (data) {
      response.setDataset(new Dataset(data));
    }
    say('request', {
      field: request._typeToString(request.getCommandFieldType()),
      sop_class: request.getRequestedSopClassUid() || request.getAffectedSopClassUid(),
      instance: request.getRequestedSopInstanceUid() || request.getAffectedSopInstanceUid() || '',
      type: command.getElement('ActionTypeID') ?? command.getElement('EventTypeID') ?? null,
      calling: this.association.getCallingAeTitle(),
      size: this.size,
      digest: this.size ? this.raw.copy().digest('hex') : '',
      status,
    });
    if (eventsFirst) {
      this.report(events);
    }
    callback(response);
    if (!eventsFirst) {
      this.report(events);
    }
  }

  report(events) {
    for (const { instance, type, elements } of events) {
      const family = this.subscriptions.get(instance) || this.subscriptions.get(EVERY_STEP);
      if (!family) {
        continue;
      }
      // The event names the push class, whatever context it travels on (PS3.4 CC.2.4.3).
      const event = new requests.NEventReportRequest(family.push, instance, type, family.event);
      event.setDataset(new Dataset(elements));
      event.on('response', (response) => say('answered', { status: response.getStatus(), type, instance }));
      this.sendRequests(event);
    }
  }

  cEchoRequest(request, callback) {
    this.answer(request, responses.CEchoResponse.fromRequest(request), callback, Status.Success);
  }

  cStoreRequest(request, callback) {
    this.answer(request, responses.CStoreResponse.fromRequest(request), callback, storeStatus);
  }

  cFindRequest(request, callback) {
    const sopClass = request.getAffectedSopClassUid();
    const wanted = request.getDataset().getElements();
    const family = (uid) => (isStep(uid) ? 'step' : uid);
    const found = [...instances].filter(
      ([, { sopClass: own, elements }]) =>
        family(own) === family(sopClass) &&
        (!wanted.ProcedureStepState || wanted.ProcedureStepState === elements.ProcedureStepState)
    );
    const pending = found.map(([instance, { sopClass: own, elements }]) => {
      const response = responses.CFindResponse.fromRequest(request);
      response.setStatus(Status.Pending);
      response.setDataset(new Dataset({ ...elements, SOPClassUID: own, SOPInstanceUID: instance }));
      return response;
    });
    const last = responses.CFindResponse.fromRequest(request);
    this.answer(request, last, () => callback([...pending, last]), Status.Success);
  }

  cCancelRequest() {
    say('cancel', {});
  }

  nCreateRequest(request, callback) {
    const sopClass = request.getAffectedSopClassUid();
    const given = request.getAffectedSopInstanceUid();
    const instance = given || `2.25.${(numbered += 1)}`;
    const response = responses.NCreateResponse.fromRequest(request);
    response.setAffectedSopInstanceUid(instance);
    const elements = request.hasDataset() ? request.getDataset().getElements() : {};
    if (instances.has(instance)) {
      this.answer(request, response, callback, Status.DuplicateSOPInstance);
    } else if (isStep(sopClass) && elements.ProcedureStepState !== 'SCHEDULED') {
      this.answer(request, response, callback, 0xc309); // the state was not SCHEDULED
    } else {
      instances.set(instance, { sopClass, elements });
      const events = [{ instance, type: 1, elements: state(elements) }];
      this.answer(request, response, callback, Status.Success, { data: elements, events: isStep(sopClass) ? events : [] });
    }
  }

  nSetRequest(request, callback) {
    const response = responses.NSetResponse.fromRequest(request);
    const known = instances.get(request.getRequestedSopInstanceUid());
    const changes = request.getDataset().getElements();
    let status = Status.Success;
    if (!known) {
      status = isStep(request.getRequestedSopClassUid()) ? NO_SUCH_STEP : Status.NoSuchObjectInstance;
    } else if (isStep(known.sopClass)) {
      if (FINAL.includes(known.elements.ProcedureStepState)) {
        status = MAY_NOT_CHANGE;
      } else if (known.transaction && changes.TransactionUID !== known.transaction) {
        status = WRONG_TRANSACTION;
      }
    } else if (FINAL.includes(known.elements.PerformedProcedureStepStatus)) {
      status = Status.ProcessingFailure; // PS3.4 F.7.2.2.2
      response.setErrorComment('Performed Procedure Step may no longer be updated');
    }
    if (status === Status.Success) {
      delete changes.TransactionUID;
      Object.assign(known.elements, changes);
    }
    this.answer(request, response, callback, status, { data: status ? undefined : known.elements });
  }

  nGetRequest(request, callback) {
    const response = responses.NGetResponse.fromRequest(request);
    const known = instances.get(request.getRequestedSopInstanceUid());
    if (!known) {
      const missing = isStep(request.getRequestedSopClassUid()) ? NO_SUCH_STEP : Status.NoSuchObjectInstance;
      this.answer(request, response, callback, missing);
      return;
    }
    const list = request.getAttributeIdentifierList();
    const entries = Object.entries(known.elements).filter(([name]) => !list.length || list.includes(name));
    this.answer(request, response, callback, Status.Success, { data: Object.fromEntries(entries) });
  }

  nDeleteRequest(request, callback) {
    const response = responses.NDeleteResponse.fromRequest(request);
    const gone = instances.delete(request.getRequestedSopInstanceUid());
    this.answer(request, response, callback, gone ? Status.Success : Status.NoSuchObjectInstance);
  }

  nActionRequest(request, callback) {
    const response = responses.NActionResponse.fromRequest(request);
    const sopClass = request.getRequestedSopClassUid();
    const instance = request.getRequestedSopInstanceUid();
    const elements = request.hasDataset() ? request.getDataset().getElements() : {};
    if (!isStep(sopClass)) {
      // Machine verification, substance administration, private: the information comes back as the reply.
      this.answer(request, response, callback, Status.Success, { data: elements });
      return;
    }
    const { status, events, eventsFirst } = this.stepAction(sopClass, instance, request.getActionTypeId(), elements);
    this.answer(request, response, callback, status, { events, eventsFirst });
  }

  stepAction(sopClass, instance, type, elements) {
    const known = instances.get(instance);
    const family = sopClass.startsWith('1.2.840.10008.5.1.4.34.4.') ? TRIAL : UPS;
    switch (type) {
      case 1: {
        const status = changeState(known, elements);
        const events = status ? [] : [{ instance, type: 1, elements: state(known.elements) }];
        return { status, events };
      }
      case 2: // request cancel; the report overtakes the answer, as the standard lets it
        return known
          ? { status: Status.Success, events: [{ instance, type: 2, elements }], eventsFirst: true }
          : { status: NO_SUCH_STEP };
      case 3:
        this.subscriptions.set(instance, family);
        return known
          ? { status: Status.Success, events: [{ instance, type: 1, elements: state(known.elements) }] }
          : { status: instance === EVERY_STEP ? Status.Success : NO_SUCH_STEP };
      case 4:
        this.subscriptions.delete(instance);
        return { status: Status.Success };
      default:
        return { status: Status.NoSuchActionType };
    }
  }
}

function state(elements) {
  return { ProcedureStepState: elements.ProcedureStepState, InputReadinessState: 'READY' };
}

// PS3.4 Table CC.1.1-2, as far as a test goes.
function changeState(known, { ProcedureStepState: wanted, TransactionUID: transaction }) {
  if (!known) {
    return NO_SUCH_STEP;
  }
  const now = known.elements.ProcedureStepState;
  if (FINAL.includes(now)) {
    return now === wanted ? DONE[now] : MAY_NOT_CHANGE;
  }
  if (wanted === 'IN PROGRESS') {
    if (now === wanted) {
      return ALREADY_IN_PROGRESS;
    }
    known.transaction = transaction;
  } else if (now !== 'IN PROGRESS') {
    return NOT_IN_PROGRESS;
  } else if (transaction !== known.transaction) {
    return WRONG_TRANSACTION;
  }
  known.elements.ProcedureStepState = wanted;
  return Status.Success;
}

log.setLevel('silent');
const server = new Server(Ois);
server.on('networkError', (error) => say('error', { words: error.message }));
server.on('listening', () => say('ready', {}));
server.listen(Number(process.argv[2]));
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [command, argument] = line.split(' ');
    if (command === 'store') {
      storeStatus = Number(argument);
    } else {
      instances = new Map();
      numbered = 0;
      storeStatus = Status.Success;
    }
    say(command, {});
  })
  .on('close', () => process.exit(0));
