/**
 * An optional peer, which is loaded when the option that needs it is given.
 *
 * @throws TypeError naming the option, where the package is not installed
 */
export async function loadPeer<Module>(
  option: string,
  name: string,
  load: () => Promise<Module>,
): Promise<Module> {
  try {
    return await load();
  } catch (cause) {
    throw new TypeError(`createGateway: ${option} needs the package ${name}, which is not installed`, {
      cause,
    });
  }
}
