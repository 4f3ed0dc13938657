// DNS messages (RFC 1035) with one question for an address.

const typeA = 1;
const classIn = 1;
const responseFlags = 0x8400; // an authoritative answer
const noSuchName = 3;
const notImplemented = 4;
const secondsToLive = 60;

/** A question, as it is in the message. */
interface Question {
  readonly id: number;
  readonly flags: number;
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** Bytes of the message up to its end. */
  readonly end: number;
}

/** The answer to a query; undefined for what is no query. @param zone addresses by name */
export function answerTo(query: Uint8Array, zone: ReadonlyMap<string, string>): Uint8Array | undefined {
  const question = questionIn(query);
  if (question === undefined || (question.flags & 0x8000) !== 0) return undefined;
  const known = question.type === typeA && question.class === classIn;
  const address = known ? zone.get(question.name) : undefined;
  const code = (question.flags & 0x7800) !== 0 ? notImplemented : zone.has(question.name) ? 0 : noSuchName;
  const answer = Buffer.alloc(question.end + (address === undefined ? 0 : 16));
  Buffer.from(query).copy(answer, 0, 0, question.end);
  answer.writeUInt16BE(responseFlags | (question.flags & 0x0100) | code, 2);
  answer.writeUInt16BE(address === undefined ? 0 : 1, 6);
  answer.writeUInt32BE(0, 8);
  if (address === undefined) return answer;
  answer.writeUInt16BE(0xc00c, question.end); // the name of the question
  answer.writeUInt16BE(typeA, question.end + 2);
  answer.writeUInt16BE(classIn, question.end + 4);
  answer.writeUInt32BE(secondsToLive, question.end + 6);
  answer.writeUInt16BE(4, question.end + 10);
  answer.set(address.split('.').map(Number), question.end + 12);
  return answer;
}

/** A query for the address of a name. */
export function queryFor(name: string, id: number): Uint8Array {
  const labels = name.split('.').flatMap((label) => [label.length, ...Buffer.from(label)]);
  const query = Buffer.alloc(12 + labels.length + 5);
  query.writeUInt16BE(id, 0);
  query.writeUInt16BE(0x0100, 2);
  query.writeUInt16BE(1, 4);
  query.set(labels, 12);
  query.writeUInt16BE(typeA, 12 + labels.length + 1);
  query.writeUInt16BE(classIn, 12 + labels.length + 3);
  return query;
}

/** The address in an answer; undefined when there is none, or it is to another query. */
export function addressIn(answer: Uint8Array, id: number): string | undefined {
  const question = questionIn(answer);
  if (question === undefined || question.id !== id || answer.length < question.end + 16) return undefined;
  return answer.subarray(question.end + 12, question.end + 16).join('.');
}

/** The only question of a message; undefined when it has another number of them, or ends too soon. */
function questionIn(message: Uint8Array): Question | undefined {
  if (message.length < 17) return undefined;
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  if (view.getUint16(4) !== 1) return undefined;
  const labels: string[] = [];
  let at = 12;
  while (message[at] !== 0) {
    const bytes = message[at];
    // A question has nothing to point to; and what follows has to be there.
    if (bytes > 63 || at + bytes + 1 >= message.length) return undefined;
    labels.push(
      Buffer.from(message.subarray(at + 1, at + 1 + bytes))
        .toString('latin1')
        .toLowerCase(),
    );
    at += bytes + 1;
  }
  if (at + 5 > message.length) return undefined;
  return {
    id: view.getUint16(0),
    flags: view.getUint16(2),
    name: labels.join('.'),
    type: view.getUint16(at + 1),
    class: view.getUint16(at + 3),
    end: at + 5,
  };
}
