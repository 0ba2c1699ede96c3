import express, { Request, Response } from 'express';
import { Refusal } from './problem';

/** As much as the portal's server takes. */
const LIMIT = 256 * 1024;

const read = express.raw({ type: () => true, limit: LIMIT, inflate: false });

/** A request's body, as it came; or why it is not passed on. */
export function readBody(
  req: Request,
  res: Response,
): Promise<{ body?: Buffer; refusal?: Refusal }> {
  return new Promise(resolve => {
    read(req, res, (error?: { status?: number }) => {
      if (error) resolve({ refusal: refusalOf(error.status ?? 400) });
      else if (!Buffer.isBuffer(req.body)) resolve({});
      else resolve({ body: req.body });
    });
  });
}

function refusalOf(status: number): Refusal {
  if (status === 413) {
    return {
      status,
      title: 'Invalid',
      message: 'What you sent is too long: at most 256 KiB are taken.',
    };
  }
  if (status === 415) {
    return {
      status,
      title: 'Invalid',
      message: 'What you sent is compressed: send it as it is.',
    };
  }
  return {
    status: 400,
    title: 'BadRequest',
    message: 'What you sent did not arrive as a whole: send it again.',
  };
}
