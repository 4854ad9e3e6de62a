import { routeOf } from '../../../recording/routes.js';
import type { EngineOptions } from '../../engine.js';
import { EngineError } from '../../errors.js';
import { canaryTransform } from './canary.js';
import { correlateTransform } from './correlate.js';
import { identityTransform } from './identity.js';
import { moduleTransform } from './module.js';
import type { RenewLogin } from './token.js';
import { tokenTransform } from './token.js';
import type { Count, Transform } from './transform.js';

export interface TransformTools {
  count: Count;
  canaryPlaced(): void;
  renew: RenewLogin;
  nowMs(): number;
}

/** The transforms of a run, in order. @throws EngineError that names the transform and what is wrong with it. */
export async function buildTransforms(
  options: Pick<EngineOptions, 'transforms' | 'canary'>,
  tools: TransformTools,
): Promise<Transform[]> {
  const transforms: Transform[] = [];
  for (const [position, spec] of options.transforms.entries()) {
    try {
      switch (spec.kind) {
        case 'identity':
          transforms.push(onRoute(spec.route, identityTransform(spec, tools.count)));
          break;
        case 'canary':
          transforms.push(onRoute(spec.route, canaryTransform(spec, options.canary, tools.canaryPlaced, tools.count)));
          break;
        case 'token':
          transforms.push(tokenTransform(spec, position, tools));
          break;
        case 'module':
          transforms.push(await moduleTransform(spec.path));
          break;
        case 'correlate':
          transforms.push(correlateTransform(position, tools.count));
          break;
      }
    } catch (cause) {
      if (cause instanceof EngineError) throw cause;
      throw new EngineError('ENGINE_TRANSFORM', `transform ${position} (${spec.kind}): ${(cause as Error).message}`, {
        cause,
      });
    }
  }
  return transforms;
}

/** Only for requests whose recorded route is this one; for all when none is named. */
function onRoute(route: string | undefined, transform: Transform): Transform {
  if (route === undefined) return transform;
  return {
    apply: (request, context) =>
      routeOf(context.record.method, context.record.url) === route ? transform.apply(request, context) : undefined,
  };
}
