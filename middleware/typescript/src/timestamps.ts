/** Timestamps of the API: RFC 3339 with a zone, read strictly, written as the payloads have them. */

const TIMESTAMP = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:Z|([+-])(\d{2}):(\d{2}))$/;

/**
 * Return a timestamp in UTC with milliseconds, `2026-11-22T10:05:00.000Z`; what is finer is cut off.
 *
 * @returns `undefined` for everything that is no RFC 3339 timestamp with a zone, in the years 1 to 9999.
 */
export function inMilliseconds(text: string): string | undefined {
  const parts = TIMESTAMP.exec(text);
  if (parts === null) {
    return undefined;
  }
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const offset = offsetMinutes(parts[8], Number(parts[9] ?? 0), Number(parts[10] ?? 0));
  if (offset === undefined || year < 1 || hour > 23 || minute > 59 || second > 59) {
    return undefined;
  }
  const moment = new Date(0);
  moment.setUTCFullYear(year, month - 1, day);
  if (moment.getUTCMonth() !== month - 1 || moment.getUTCDate() !== day) {
    return undefined; // the 30th of February
  }
  moment.setUTCHours(hour, minute - offset, second, Number((parts[7] ?? "").slice(0, 3).padEnd(3, "0")));
  const inRange = moment.getUTCFullYear() >= 1 && moment.getUTCFullYear() <= 9999;
  return inRange ? moment.toISOString() : undefined;
}

function offsetMinutes(sign: string | undefined, hours: number, minutes: number): number | undefined {
  if (hours > 23 || minutes > 59) {
    return undefined;
  }
  return (sign === "-" ? -1 : 1) * (hours * 60 + minutes);
}
